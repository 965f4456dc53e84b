// Proposals: what waits for a second person first, then what became of the others. Refuses to show their content: each has a page.

import { Link } from "wouter";
import { read } from "../api/client";
import type { ProposalSummary } from "../api/model";
import { useResource } from "../api/resource";
import { Copy } from "../parts/Copy";
import { Moment } from "../parts/Moment";
import { Empty, Loaded } from "../parts/States";
import { useTitle } from "../parts/useTitle";
import { inOrder, names } from "../view/proposal";

export function Proposals() {
  useTitle("Proposals");
  const reading = useResource(read.proposals(null));
  return (
    <section className="panel">
      <Loaded reading={reading} what="proposals">
        {({ proposals }) => {
          const open = proposals.filter(({ state }) => state === "open").length;
          return (
            <>
              <h1 className="sentence">
                {open === 0
                  ? "No proposal waits."
                  : `${open} ${open === 1 ? "waits" : "wait"} for a second person`}
              </h1>
              {proposals.length === 0 ? (
                <Empty>
                  A change that somebody should look at first:{" "}
                  <Copy text={'serinus propose support.system_prompt=@concise.md -m "shorter answers"'} />
                </Empty>
              ) : (
                <List proposals={inOrder(proposals)} />
              )}
            </>
          );
        }}
      </Loaded>
    </section>
  );
}

function List({ proposals }: { proposals: readonly ProposalSummary[] }) {
  return (
    <table className="plain stack">
      <thead>
        <tr>
          <th scope="col">Proposal</th>
          <th scope="col">What</th>
          <th scope="col">Who</th>
          <th scope="col">Made</th>
          <th scope="col">State</th>
        </tr>
      </thead>
      <tbody>
        {proposals.map((one) => (
          <tr key={one.id}>
            <td data-label="proposal">
              <Link href={`/p/${one.id}`}>{one.id}</Link>
            </td>
            <td className="words">
              <Link href={`/p/${one.id}`}>{one.message}</Link>
            </td>
            <td>
              {one.author}
              {one.reviewers.length > 0 && <span className="muted"> asks {names(one.reviewers)}</span>}
            </td>
            <td>
              <Moment at={one.created_at} />
            </td>
            <td>
              <span className="tag">{one.state}</span>
              {one.state === "open" && one.approvals > 0 && (
                <span className="muted"> {one.approvals} approved</span>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
