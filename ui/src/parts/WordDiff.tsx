// Two texts as one, with what was taken out and put in. Refuses to know where they come from.

import type { Piece } from "../view/diff";

export function WordDiff({ pieces }: { pieces: readonly Piece[] }) {
  return (
    <pre className="diff">
      {pieces.map((piece, at) => {
        const key = `${at} ${piece.kind}`;
        if (piece.kind === "added") return <ins key={key}>{piece.text}</ins>;
        if (piece.kind === "removed") return <del key={key}>{piece.text}</del>;
        return <span key={key}>{piece.text}</span>;
      })}
    </pre>
  );
}
