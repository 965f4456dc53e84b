// Which nodes and clients follow the log, and how far each is. Refuses to command them.

import { read } from "../../api/client";
import type { NodeView } from "../../api/model";
import { useResource } from "../../api/resource";
import { Moment } from "../../parts/Moment";
import { Loaded } from "../../parts/States";

export function Nodes() {
  const nodes = useResource(read.nodes());
  const clients = useResource(read.clients());
  return (
    <section className="panel" aria-labelledby="nodes">
      <h2 id="nodes">Nodes and clients</h2>
      <Loaded reading={nodes} what="nodes">
        {(list) => (
          <ul className="lines">
            {list.nodes.map((node) => (
              <li key={node.node}>
                <NodeLine node={node} head={list.head} />
              </li>
            ))}
          </ul>
        )}
      </Loaded>
      <Loaded reading={clients} what="clients">
        {(list) => (
          <>
            <p>
              {list.connected} {list.connected === 1 ? "client follows" : "clients follow"} this node in
              process
            </p>
            <ul className="lines">
              {list.clients.map((client) => (
                <li key={client.client}>
                  <b>{client.client}</b> serves revision {client.revision} of {list.head}
                  {client.refusal && <span className="late">: {client.refusal}</span>}
                  <span className="muted">
                    {" "}
                    {client.connected ? "connected" : "away"}, heard <Moment at={client.seen_at} />
                  </span>
                </li>
              ))}
            </ul>
          </>
        )}
      </Loaded>
    </section>
  );
}

function NodeLine({ node, head }: { node: NodeView; head: number }) {
  return (
    <>
      <b>{node.node}</b> serves revision {node.revision} of {head}
      {node.refusal && <span className="late">: {node.refusal}</span>}
      <span className="muted">
        {" "}
        since <Moment at={node.activated_at} />, heard <Moment at={node.seen_at} />
      </span>
    </>
  );
}
