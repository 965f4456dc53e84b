// Addresses to pages. Refuses to read anything from the server.

import { useEffect } from "react";
import { Link, Route, Switch, useLocation } from "wouter";
import { ArtifactPage } from "./pages/Artifact";
import { Artifacts } from "./pages/Artifacts";
import { Feature } from "./pages/Feature";
import { Flag } from "./pages/Flag";
import { Flags } from "./pages/Flags";
import { Interactions } from "./pages/Interactions";
import { Overview } from "./pages/Overview";
import { Proposal } from "./pages/Proposal";
import { Proposals } from "./pages/Proposals";
import { Revision } from "./pages/Revision";
import { Revisions } from "./pages/Revisions";
import { Rollout } from "./pages/Rollout";
import { Settings } from "./pages/Settings";
import { Setup } from "./pages/Setup";
import { Shell } from "./parts/Shell";

export function App() {
  const [path] = useLocation();
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new address starts at its top.
  useEffect(() => window.scrollTo(0, 0), [path]);
  return (
    <Shell>
      <Switch>
        <Route path="/">
          <Overview />
        </Route>
        <Route path="/r/:key">{({ key }) => <Rollout key={key} rollout={key} />}</Route>
        <Route path="/f/:key">{({ key }) => <Feature key={key} feature={key} />}</Route>
        <Route path="/revisions">
          <Revisions />
        </Route>
        <Route path="/revisions/:number">
          {({ number }) => <Revision key={number} number={Number(number)} />}
        </Route>
        <Route path="/interactions">
          <Interactions />
        </Route>
        <Route path="/flags">
          <Flags />
        </Route>
        <Route path="/flags/:key">{({ key }) => <Flag key={key} flag={decodeURIComponent(key)} />}</Route>
        <Route path="/proposals">
          <Proposals />
        </Route>
        <Route path="/p/:id">{({ id }) => <Proposal key={id} id={Number(id)} />}</Route>
        <Route path="/settings">
          <Settings />
        </Route>
        <Route path="/setup">
          <Setup />
        </Route>
        <Route path="/artifacts">
          <Artifacts />
        </Route>
        <Route path="/artifacts/:kind/:name">
          {({ kind, name }) => <ArtifactPage key={`${kind}/${name}`} kind={kind} name={name} />}
        </Route>
        <Route>
          <section className="panel">
            <h1 className="sentence">There is no such page.</h1>
            <p>
              <Link href="/">To the overview</Link>
            </p>
          </section>
        </Route>
      </Switch>
    </Shell>
  );
}
