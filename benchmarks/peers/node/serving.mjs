// What both peers have in common: what they are told by the environment, the sign-in, and how many processes they are.
// Nothing of either one's GraphQL belongs here.

import cluster from 'node:cluster';
import { createServer } from 'node:http';
import jsonwebtoken from 'jsonwebtoken';

const { DATABASE_URL, JWT_KEY, POOL, PORT, PROCESSES } = process.env;

// What our own connections ask for as well: a search is planned with its values, instants come in UTC.
const options = '-c plan_cache_mode=force_custom_plan -c jit=off -c timezone=UTC';

export const poolConfig = { connectionString: DATABASE_URL, max: Number(POOL), options };

/** Throws unless the header holds a token that we signed: what any deployment has to ask for. */
export function signIn(authorization) {
  const token = authorization?.startsWith('Bearer ') ? authorization.slice(7) : '';
  return jsonwebtoken.verify(token, JWT_KEY, { algorithms: ['HS256'], audience: 'sentlog', issuer: 'sentlog' });
}

/** Answers on PORT with what `makeListener` gives; with two processes or more they share the port. */
export async function serve(makeListener) {
  const processes = Number(PROCESSES);
  if (processes > 1 && cluster.isPrimary) {
    for (let number = 0; number < processes; number += 1) cluster.fork();
    return;
  }
  const server = createServer();
  await makeListener(server);
  server.listen(Number(PORT), '127.0.0.1');
}
