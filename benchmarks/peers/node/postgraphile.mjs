// PostGraphile 5 over the tables of the log, as its documentation sets it up for production.

import { postgraphile } from 'postgraphile';
import { makePgService } from 'postgraphile/adaptors/pg';
import { grafserv } from 'postgraphile/grafserv/node';
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber';
import { jsonPgSmartTags } from 'postgraphile/utils';
import { PostGraphileConnectionFilterPreset } from 'postgraphile-plugin-connection-filter';

import { poolConfig, serve, signIn } from './serving.mjs';

// What the tables refer to by a trigger instead of a foreign key (docs/adr/0074), which alone it would find by itself.
const references = jsonPgSmartTags({
  version: 1,
  config: {
    class: {
      recipient: { tags: { foreignKey: ['(message_id) references message (id)'] } },
      delivery: { tags: { foreignKey: ['(message_id, recipient_number) references recipient (message_id, number)'] } },
    },
  },
});

const preset = {
  extends: [PostGraphileAmberPreset, PostGraphileConnectionFilterPreset],
  plugins: [references],
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
