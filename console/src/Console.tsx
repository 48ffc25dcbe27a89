import { lazy, Suspense, useEffect, useState } from "react";
import { connect, type Connection } from "./connection";
import { SignIn } from "./SignIn";
import { TypedOnlyStorage } from "./storage";
import { takeTokenFromAddress } from "./token";

const Editor = lazy(() => import("./Editor"));
const storage = new TypedOnlyStorage();

/** The page: whoever has a token gets GraphiQL, whoever has none is told how to come by one. */
export function Console() {
  const [connection, setConnection] = useState<Connection | null>(null);
  const [refused, setRefused] = useState(false);
  const [edition, setEdition] = useState(0);

  function signIn(token: string | null) {
    setRefused(false);
    setConnection((earlier) => {
      earlier?.close();
      return token === null ? null : connect(token, () => setRefused(true));
    });
  }

  useEffect(() => {
    function takeToken() {
      const token = takeTokenFromAddress();
      if (token !== null) signIn(token);
    }
    takeToken();
    // A second link, pasted into this same tab, changes the fragment and loads nothing.
    addEventListener("hashchange", takeToken);
    return () => removeEventListener("hashchange", takeToken);
  }, []);

  function reopenExamples() {
    if (!confirm("Close all tabs and open the examples again?")) return;
    storage.forgetTabs();
    setEdition(edition + 1);
  }

  return (
    <>
      <header>
        <img src={`${import.meta.env.BASE_URL}icon.svg`} alt="" />
        <h1>Sent Message Log</h1>
        {connection !== null && (
          <nav>
            <button type="button" onClick={reopenExamples}>
              Open the examples again
            </button>
            <button type="button" onClick={() => signIn(null)}>
              Sign out
            </button>
          </nav>
        )}
      </header>
      {refused && (
        <div className="refused" role="alert">
          <p>
            The server does not take this token: it may have expired. Open a new link from <code>sentlog demo</code>, or
            paste what <code>sentlog token</code> prints. Your tabs stay as they are.
          </p>
          <SignIn onToken={signIn} />
        </div>
      )}
      <main>
        {connection === null ? (
          <Welcome onToken={signIn} />
        ) : (
          <Suspense fallback={<p className="loading">Loading the editor …</p>}>
            <Editor key={edition} connection={connection} storage={storage} />
          </Suspense>
        )}
      </main>
    </>
  );
}

function Welcome({ onToken }: { onToken: (token: string) => void }) {
  return (
    <section className="welcome">
      <h2>Sign in to ask the log</h2>
      <p>
        <code>sentlog demo</code> prints a link that signs you in. Elsewhere, paste a token: the one of your sign-in, or
        one that <code>sentlog token</code> makes. It is kept until you close or reload this page, and nowhere else.
      </p>
      <SignIn onToken={onToken} />
    </section>
  );
}
