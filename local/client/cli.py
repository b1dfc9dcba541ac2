"""`nearview local client`: the example of a client, in a browser."""

from __future__ import annotations

from urllib.parse import urlsplit

import click

from local.client.server import HOST, Server
from local.shell import running_of, this_stack


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Port on 127.0.0.1; a free one if left out.")
@click.option("--api", metavar="URL", help="Base address of another API with the demo's orders; default: this stack's.")
def client(port: int, api: str | None) -> None:
    """Serve a page on this machine that lists orders, sends commands and shows when a change arrives.

    An example to read and to copy from: one file, local/client/index.html, without a build. Ctrl-C ends it.
    """
    if api is None:
        running = running_of(this_stack())
        if running.monolith_url is None or running.api_direct_url is None:
            raise click.ClickException("the page is about the demo's orders; this stack has a source of your own")
        api = running.api_direct_url
    elif not _is_address(api):
        raise click.UsageError(f"--api takes an address like https://host/base, not {api!r}")
    try:
        server = Server(port, api)
    except OSError as error:
        raise click.ClickException(f"--port: {HOST}:{port} cannot be served: {error.strerror}") from None
    click.echo(f"client   {server.url}    Ctrl-C ends it")
    try:
        server.serve_forever(poll_interval=0.1)
    except KeyboardInterrupt:
        click.echo("ended")
    finally:
        server.server_close()


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return usable and not parts.query and not parts.fragment
