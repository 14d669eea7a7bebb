import type { Event } from "../event.js";

type EventOf<Type extends Event["type"]> = Extract<Event, { readonly type: Type }>;

/** Events of a run, kept and waited for. */
export interface RecordedEvents {
  readonly emit: (event: Event) => void;
  readonly all: readonly Event[];
  /** Those of one type, in order. */
  of<Type extends Event["type"]>(type: Type): readonly EventOf<Type>[];
  /** The first event of this type that holds, past or to come. */
  next<Type extends Event["type"]>(
    type: Type,
    holds?: (event: EventOf<Type>) => boolean,
  ): Promise<EventOf<Type>>;
}

/** Keeps every event that it is given. */
export function recordEvents(): RecordedEvents {
  const all: Event[] = [];
  const waiting = new Set<(event: Event) => void>();
  const isOf =
    <Type extends Event["type"]>(type: Type) =>
    (event: Event): event is EventOf<Type> =>
      event.type === type;
  return {
    all,
    emit(event) {
      all.push(event);
      for (const tell of [...waiting]) tell(event);
    },
    of: (type) => all.filter(isOf(type)),
    next(type, holds = () => true) {
      const past = all.filter(isOf(type)).find(holds);
      if (past !== undefined) return Promise.resolve(past);
      return new Promise((resolve) => {
        const tell = (event: Event) => {
          if (!isOf(type)(event) || !holds(event)) return;
          waiting.delete(tell);
          resolve(event);
        };
        waiting.add(tell);
      });
    },
  };
}
