"""Debian's nginx as a reverse proxy for a server of ours, as a child process on a free port of 127.0.0.1."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from tests.missing import missing

PREFIX: Final = "/sentlog"

_CONFIGURATION: Final = """
daemon off;

pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  server {{
    listen {port};
    location {prefix}/ {{
      proxy_pass {upstream}{below};
      proxy_http_version 1.1;
      proxy_buffering off;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      {more}
    }}
  }}
}}
"""


class Way(NamedTuple):
    """How nginx forwards requests."""

    strips: bool
    """Whether it removes the prefix from the path."""
    names_prefix: bool
    """Whether it sends host and prefix in headers; otherwise the server knows them only from its public URL."""


WAYS: Final = [Way(strips, names) for strips in (True, False) for names in (True, False)]


class Nginx:
    """A proxy whose port is open before it runs, so that the server behind it knows its address."""

    def __init__(self, folder: Path) -> None:
        self._program = shutil.which("nginx") or shutil.which(
            "nginx", path="/usr/sbin:/usr/local/sbin"
        )
        if self._program is None:
            missing("no nginx: install it (scripts/programs.sh)")
        self._folder = folder / "nginx"
        self._folder.mkdir()
        self._listener = socket.create_server(("127.0.0.1", 0))
        host, port = self._listener.getsockname()
        self.port = f"{host}:{port}"
        self.public_url = f"http://{self.port}{PREFIX}"

    @contextmanager
    def before(self, upstream: str, way: Way) -> Iterator[str]:
        """Proxy `upstream` inside the block; return the public URL."""
        more = (
            f"proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Prefix {PREFIX};"
            if way.names_prefix
            else ""
        )
        file = self._folder / "nginx.conf"
        file.write_text(
            _CONFIGURATION.format(
                folder=self._folder,
                port=self.port,
                prefix=PREFIX,
                upstream=upstream,
                below="/" if way.strips else "",
                more=more,
            )
        )
        descriptor = self._listener.fileno()
        command = [str(self._program), "-p", str(self._folder), "-c", str(file), "-e", "stderr"]
        with (
            (self._folder / "stderr").open("wb") as errors,
            # nginx inherits the socket, as in an upgrade, so that no other process can take the port in between.
            subprocess.Popen(
                command,
                env={**os.environ, "NGINX": f"{descriptor};"},
                pass_fds=(descriptor,),
                stderr=errors,
            ) as process,
        ):
            self._listener.close()
            try:
                yield self.public_url
                assert process.poll() is None, (self._folder / "stderr").read_text()
            finally:
                process.terminate()
