/** Compiles for what holds only. */
export type Expect<Holds extends true> = Holds;

/** `true` when what is one of `Ours` does wherever one of `Theirs` is expected. */
export type Assignable<Theirs, Ours> = [Ours] extends [Theirs] ? true : false;

/**
 * Members of `Theirs` that `Ours` lacks, or whose type is not assignable: what code that holds one of ours in a variable
 * typed as theirs would stumble over.
 */
export type Unmet<Theirs, Ours> = keyof {
  [Key in keyof Flat<Theirs> as Key extends keyof Flat<Ours>
    ? [Flat<Ours>[Key]] extends [Flat<Theirs>[Key]]
      ? never
      : Key
    : Key]: never;
};

/** Fields of the options `Theirs` that `Ours` does not know, or whose values it does not all take. */
export type Refused<Theirs, Ours> = keyof {
  [Key in keyof Flat<Theirs> as Key extends keyof Flat<Ours>
    ? [Flat<Theirs>[Key]] extends [Flat<Ours>[Key]]
      ? never
      : Key
    : Key]: never;
};

/**
 * `true` when what was found is exactly what is listed as excepted. Otherwise the compiler shows what is not listed, or
 * what is listed without need: the lists only shrink.
 */
export type OnlyExcept<Found, Listed> = [Exclude<Found, Listed>] extends [never]
  ? [Exclude<Listed, Found>] extends [never]
    ? true
    : { listedWithoutNeed: Exclude<Listed, Found> }
  : { notListed: Exclude<Found, Listed> };

/** All members that any part of a union has, with all their types. */
type Flat<Type> = { [Key in KeyOfAny<Type>]: Type extends { [_ in Key]?: infer Value } ? Value : never };

type KeyOfAny<Type> = Type extends unknown ? keyof Type : never;
