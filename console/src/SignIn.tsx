import type { FormEvent } from "react";
import { tokenIn } from "./token";

/** A field for a token. It is no password field: those are what browsers offer to remember. */
export function SignIn({ onToken }: { onToken: (token: string) => void }) {
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const token = tokenIn(String(new FormData(event.currentTarget).get("token")));
    if (token !== null) onToken(token);
  }

  return (
    <form className="sign-in" onSubmit={submit}>
      <input
        name="token"
        aria-label="Token"
        placeholder="Paste a token"
        autoComplete="off"
        autoCapitalize="off"
        spellCheck={false}
        required
        autoFocus
      />
      <button type="submit">Sign in</button>
    </form>
  );
}
