// Who may do what, where, and with which tokens; which environments there are; which nodes and clients follow. Refuses to know any of
// them: each has a part of its own.

import { Link } from "wouter";
import { useTitle } from "../parts/useTitle";
import { Environments } from "./settings/Environments";
import { Nodes } from "./settings/Nodes";
import { People } from "./settings/People";
import { Tokens } from "./settings/Tokens";

export function Settings() {
  useTitle("Settings");
  return (
    <>
      <h1 className="sentence">People, tokens, environments and nodes</h1>
      <People />
      <Tokens />
      <Environments />
      <Nodes />
      <p>
        First call not there yet? <Link href="/setup">Set-up</Link>
      </p>
    </>
  );
}
