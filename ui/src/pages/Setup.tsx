// The way to the first call: one line to copy and a light that turns on when a call arrives. Refuses to ask for anything.

import { Link } from "wouter";
import { read } from "../api/client";
import type { InteractionView } from "../api/model";
import { useResource } from "../api/resource";
import { Copy } from "../parts/Copy";
import { Moment } from "../parts/Moment";
import { Loaded } from "../parts/States";
import { useTitle } from "../parts/useTitle";
import { latency, usd } from "../view/number";

export function Setup() {
  useTitle("Set-up");
  const overview = useResource(read.overview());
  const calls = useResource(read.interactions({ limit: 1 }));
  const first = calls.data?.interactions[0];
  return (
    <Loaded reading={overview} what="the set-up">
      {({ features }) => (
        <section className="panel first">
          <p className={`light${first ? " light-on" : ""}`} role="status">
            <span aria-hidden="true" className="dot" />{" "}
            {first ? "Calls arrive." : "Waiting for the first call."}
          </p>
          <h1 className="sentence">{first ? "It works." : "Point your application here:"}</h1>
          <p>
            <Copy text={`OPENAI_BASE_URL=${window.location.origin}/v1`} />
          </p>
          {first && <Proof view={first} />}
          <h2>Next</h2>
          {features.length === 0 ? (
            <p>
              Write down what it sends as a feature: <Copy text="serinus feature adopt support" />
            </p>
          ) : (
            <p>
              Deliver a change:{" "}
              <Copy text={`serinus rollout start ${features[0]?.key}.system_prompt=@new.md --from canary`} />
            </p>
          )}
          <p className="muted">
            Send <code>X-Serinus-Session</code> with each call, or no session can be enrolled and every user
            gets control.
          </p>
        </section>
      )}
    </Loaded>
  );
}

function Proof({ view }: { view: InteractionView }) {
  const { record } = view;
  return (
    <p>
      Last: <Link href={`/interactions?id=${encodeURIComponent(record.id)}`}>{record.feature}</Link>{" "}
      <Moment at={record.at} />, {record.ttft_us ? `first token ${latency(record.ttft_us / 1000)}, ` : ""}
      total {latency(record.latency_us / 1000)}, {record.input_tokens}+{record.output_tokens} tokens,{" "}
      {usd(record.cost)}
    </p>
  );
}
