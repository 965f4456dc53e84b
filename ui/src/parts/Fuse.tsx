// Harm evidence as a fuse that burns towards the limit. Refuses to say what burned it.

import { burned, fuseState, HOLD_LIMIT, RESUME_LIMIT, ROLLBACK_LIMIT } from "../view/fuse";
import { evidence } from "../view/number";

type Props = { e: number; limit?: number; holds?: boolean; compact?: boolean; acts?: string | undefined };

export function Fuse({ e, limit = ROLLBACK_LIMIT, holds = true, compact = false, acts }: Props) {
  const state = fuseState(e, limit);
  const at = (value: number) => `${burned(value, limit) * 100}%`;
  const text = `evidence of harm ${evidence(e)} of ${limit.toFixed(0)}`;
  const shown = acts ?? `${holds ? `holds at ${HOLD_LIMIT}, ` : ""}rolls back at ${limit.toFixed(0)}`;
  return (
    <div className={`fuse fuse-${state}${compact ? " fuse-compact" : ""}`}>
      <svg className="fuse-bar" height="14" width="100%" role="img" aria-label={text}>
        <title>{`${text}: ${shown}`}</title>
        <rect className="fuse-track" x="0" y="4" width="100%" height="6" rx="3" />
        <rect className="fuse-burned" x="0" y="4" width={at(e)} height="6" rx="3" />
        {holds &&
          [RESUME_LIMIT, HOLD_LIMIT].map((mark) => (
            <line key={mark} className="fuse-mark" x1={at(mark)} x2={at(mark)} y1="1" y2="13" />
          ))}
        <line className="fuse-end" x1="100%" x2="100%" y1="0" y2="14" />
      </svg>
      <p className="fuse-text">
        <span>
          E <b>{evidence(e)}</b>
          <span className="muted"> of {limit.toFixed(0)}</span>
        </span>
        {!compact && <span className="muted">{shown}</span>}
      </p>
    </div>
  );
}
