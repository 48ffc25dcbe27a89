#!/usr/bin/env bash
# Whether there is a Node.js on which the page is built and clients run: 20.19, 22.12 or newer.
exec node -e '
  const [major, minor] = process.versions.node.split(".").map(Number);
  process.exit(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19) ? 0 : 1);
' 2>/dev/null
