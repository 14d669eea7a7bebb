import { activityTypes } from "../../log/activities.js";
import type { LogMessage } from "../../log/messages.js";

/** A builder that begins more at a time is not followed further. */
const mostAtOnce = 1000;

/**
 * Activities that a builder tells of: downloads, the only ones that are believed of it, and what belongs to them. It chooses the ids, so they are kept apart for
 * each build.
 *
 * @see Nix: src/libutil/logging.cc, `handleJSONLogMessage`
 */
export class BuilderActivities {
  readonly #open = new Set<bigint>();

  /** Whether the message is for whoever watches. */
  isFollowed(message: LogMessage): boolean {
    switch (message.action) {
      case "start":
        if (message.type !== activityTypes.fileTransfer || this.#open.size >= mostAtOnce) return false;
        this.#open.add(message.id);
        return true;
      case "stop":
        return this.#open.delete(message.id);
      case "result":
        return this.#open.has(message.id);
      default:
        return true;
    }
  }
}
