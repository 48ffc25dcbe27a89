// PostGraphile 5 over the tables of the log, as its documentation sets it up for production.

import { postgraphile } from 'postgraphile';
import { makePgService } from 'postgraphile/adaptors/pg';
import { grafserv } from 'postgraphile/grafserv/node';
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber';
import { PostGraphileConnectionFilterPreset } from 'postgraphile-plugin-connection-filter';

import { poolConfig, serve, signIn } from './serving.mjs';

const preset = {
  extends: [PostGraphileAmberPreset, PostGraphileConnectionFilterPreset],
  pgServices: [makePgService({ poolConfig, connectionString: poolConfig.connectionString, schemas: ['public'] })],
  grafast: {
    explain: false,
    context({ node }) {
      signIn(node.req.headers.authorization);
      return {};
    },
  },
  grafserv: { graphiql: false, watch: false, websockets: false },
};

await serve((server) => postgraphile(preset).createServ(grafserv).addTo(server));
