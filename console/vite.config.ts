import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  // Relative: the page may be below any path of a reverse proxy. Its own address ends in a slash.
  base: "./",
  plugins: [react()],
  build: {
    outDir: "../server/static",
    emptyOutDir: true,
    // The page comes with the licences of all that is in it.
    license: { fileName: "licenses.md" },
    // The editor (Monaco) is one large piece and nobody waits for it: the page stands before it comes.
    chunkSizeWarningLimit: 5000,
    rolldownOptions: {
      // Hints of GraphiQL's for its own compiler, forty of them, which mean nothing to this one.
      onwarn: (warning, warn) => {
        if (warning.code !== "MODULE_LEVEL_DIRECTIVE") warn(warning);
      },
    },
  },
  server: {
    // `npm run dev` beside `sentlog demo`.
    proxy: { "/graphql": { target: "http://127.0.0.1:8000", ws: true } },
  },
});
