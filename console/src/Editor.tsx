import { GraphiQL } from "graphiql";
import "graphiql/setup-workers/vite";
import "graphiql/style.css";
import type { Connection } from "./connection";
import { EXAMPLES } from "./examples";
import type { TypedOnlyStorage } from "./storage";

/** GraphiQL over one connection. The header editor is off: whoever asks is settled by the sign-in alone. */
export default function Editor({ connection, storage }: { connection: Connection; storage: TypedOnlyStorage }) {
  return (
    <GraphiQL
      fetcher={connection.fetcher}
      storage={storage}
      shouldPersistHeaders={false}
      isHeadersEditorEnabled={false}
      showPersistHeadersSettings={false}
      defaultTabs={EXAMPLES.map((query) => ({ query }))}
      defaultEditorToolsVisibility={false}
    >
      <GraphiQL.Logo>
        <></>
      </GraphiQL.Logo>
    </GraphiQL>
  );
}
