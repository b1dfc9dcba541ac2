"""amazon_kclpy's daemon as it comes, started again at once whenever it ends: a program, with a name and a folder.

Its properties are those of the package's sample, with the stream, the endpoints and, as everywhere here, polling. The
worker id is random, as the default is; the name before it tells two workers apart. Its children are nearview's.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

from worker.supervisor.jars import jar_folder
from worker.supervisor.java import find_java

MAIN_CLASS = "software.amazon.kinesis.multilang.MultiLangDaemon"


def properties(name: str) -> str:
    """The text of its properties file."""
    interpreter = Path(sys.executable)
    values = {
        "executableName": f"{interpreter.name} -u -m worker.child",
        "streamName": os.environ["NEARVIEW_STREAM"],
        "applicationName": os.environ["NEARVIEW_APPLICATION"],
        "AwsCredentialsProvider": "DefaultCredentialsProvider",
        "processingLanguage": "python/3.11",
        "initialPositionInStream": "TRIM_HORIZON",
        "regionName": os.environ["AWS_REGION"],
        "kinesisEndpoint": os.environ["AWS_ENDPOINT_URL"],
        "dynamoDBEndpoint": os.environ["AWS_ENDPOINT_URL"],
        "retrievalMode": "POLLING",
        "metricsLevel": "NONE",
        "workerId": f"{name}.{secrets.token_hex(8)}",
    }
    return "".join(f"{key} = {value}\n" for key, value in values.items())


def main(name: str, folder: Path) -> None:
    """Run daemons one after the other, for ever."""
    folder.mkdir(parents=True, exist_ok=True)
    java, jars = find_java("", os.environ), jar_folder()
    file = folder / "daemon.properties"
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    while True:
        file.write_text(properties(name), "latin-1")
        command: list[str] = [str(java), "-cp", f"{jars}{os.sep}*", MAIN_CLASS, "--properties-file", str(file)]
        subprocess.run(command, env=environment, check=False)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
