// Starts the dashboard: signs in from the address, opens the news, puts the page up. Refuses to know any page.

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import { startLive } from "./api/live";
import { signInFromAddress } from "./api/session";
import "./style/tokens.css";
import "./style/controls.css";
import "./style/base.css";
import "./style/parts.css";
import "./style/charts.css";

const root = document.getElementById("root");
if (root) {
  signInFromAddress().finally(() => {
    startLive();
    createRoot(root).render(
      <StrictMode>
        <App />
      </StrictMode>,
    );
  });
}
