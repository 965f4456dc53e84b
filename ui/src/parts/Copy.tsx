// A line to take along: text and a button that copies it. Refuses to hide the text behind the button.

import { useState } from "react";

export function Copy({ text }: { text: string }) {
  const [copied, setCopied] = useState(false);
  const copy = () => {
    navigator.clipboard
      ?.writeText(text)
      .then(() => setCopied(true))
      // Not allowed here: the text is on the page to be selected.
      .catch(() => setCopied(false));
  };
  return (
    <span className="copy">
      <code>{text}</code>
      <button type="button" className="button-small" onClick={copy} aria-label={`copy ${text}`}>
        {copied ? "copied" : "copy"}
      </button>
    </span>
  );
}
