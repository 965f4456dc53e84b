// How the dashboard is built and, in development, served. Refuses to know any host but the local server it proxies to.
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const server = "http://127.0.0.1:7171";

export default defineConfig({
  plugins: [react()],
  build: {
    // The page is served under "default-src 'self'": nothing may be inlined as a data URL.
    assetsInlineLimit: 0,
    target: "es2022",
  },
  server: { proxy: { "/api": server } },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
