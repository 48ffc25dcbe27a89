/** The token in what somebody pasted: the token itself, a whole header line, or the link that `sentlog demo` prints. */
export function tokenIn(text: string): string | null {
  const token = text
    .trim()
    .replace(/^.*#token=/s, "")
    .replace(/^(authorization:\s*)?bearer\s+/i, "");
  return token === "" ? null : token;
}

/**
 * Take the token out of the address, and the address bar with it.
 *
 * A fragment is never sent to a server. Once it is read it goes at once, so that it stays neither in sight, nor in a
 * bookmark, nor in an address that somebody copies.
 */
export function takeTokenFromAddress(): string | null {
  if (!location.hash.startsWith("#token=")) return null;
  const token = tokenIn(decodeURIComponent(location.hash));
  history.replaceState(history.state, "", location.pathname + location.search);
  return token;
}
