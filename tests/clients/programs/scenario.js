// One client, played through one scenario: `node PROGRAM SCENARIO`, as tests/clients/conftest.py starts it.
//
// Standard input is lines of JSON. The first is where the log is and what else the scenario needs. Standard output is
// lines of JSON, too: `{"waits": true}` where the scenario has the test do its part, and at last `{"result": …}`.

import { createInterface } from "node:readline";

const PATIENCE = 60_000;

/** Run the scenario that the command line names, and print its result. */
export async function play(scenarios) {
  // It does not keep the process alive: only a client does that which has not let go of its connection.
  setTimeout(() => {
    console.error("the client has not let go of its connections");
    process.exit(1);
  }, PATIENCE).unref();

  const input = createInterface({ input: process.stdin });
  const lines = input[Symbol.asyncIterator]();
  const heard = async () => JSON.parse((await lines.next()).value);
  const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

  const log = await heard();
  /** Have the test do what it does meanwhile; gives what comes of it. */
  log.meanwhile = async () => {
    say({ waits: true });
    return heard();
  };
  const result = await scenarios[process.argv[2]](log);
  say({ result: result ?? null });
  input.close();
}
