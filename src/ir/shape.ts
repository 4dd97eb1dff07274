/**
 * Names of factors as the type checker knows them. Where they are literal, it follows them through a model's forward and refuses what no
 * tensor has; where they are not (an op applied by name, a layer over a name that is computed), a shape is `any` and tracing checks alone.
 * Nothing of this exists when a program runs.
 */

import type { Tensor } from './tensor.js';

/** Names by position: `['batch', 'sequence', 'dim']`. */
export type Shape = readonly string[];

/** A shape that the type checker does not know. It goes wherever a shape is asked for. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- what `any` is for: neither more nor less than any other shape
export type Unknown = any;

/** Names: `'batch sequence'`, where a name may be a letter of the scope, or `['batch', 'sequence']`, factors as they are. */
export type Names = string | readonly string[];

/** The names of a list, `'batch sequence'` or a tuple, as a tuple; {@link Unknown} where they are not literal. */
export type Listed<N extends Names> = N extends string
  ? string extends N
    ? Unknown
    : Words<N>
  : N extends Shape
    ? IsKnown<N> extends true
      ? Mutable<N>
      : Unknown
    : Unknown;

/** Without the factors that `Gone` names. */
export type Without<S extends Shape, Gone> =
  IsKnown<S> extends true ? (string extends Asked<Gone> ? Unknown : Drop<S, Asked<Gone>>) : Unknown;

/** Those of an elementwise result: see `unionNames` in tensor.ts. */
export type Union<A extends Shape, B extends Shape> =
  IsKnown<A> extends true ? (IsKnown<B> extends true ? Append<Append<Longer<A, B>, A>, B> : Unknown) : Unknown;

/** The same of three. */
export type Union3<A extends Shape, B extends Shape, C extends Shape> =
  IsKnown<A> extends true
    ? IsKnown<B> extends true
      ? IsKnown<C> extends true
        ? Append<Append<Append<Longer<Longer<A, B>, C>, A>, B>, C>
        : Unknown
      : Unknown
    : Unknown;

/** With some names replaced by others. */
export type Renamed<S extends Shape, M extends Readonly<Record<string, string>>> =
  IsKnown<S> extends true ? { -readonly [I in keyof S]: S[I] extends keyof M ? M[S[I]] : S[I] } : Unknown;

/** `Made` after those of S that a layer keeps; unknown where it makes several, whose order types do not tell. */
export type Product<S extends Shape, Summed extends string, Made extends string> =
  IsKnown<S> extends true
    ? IsOne<Made> extends true
      ? string extends Summed
        ? Unknown
        : [...Drop<S, Summed>, Made]
      : Unknown
    : Unknown;

/** With another factor behind. */
export type Made<S extends Shape, Name extends string> = IsKnown<S> extends true ? [...S, Name] : Unknown;

/** A tensor that a layer can take: with the factors that it works over, where the checker knows them. */
export type Having<S extends Shape, Wanted extends string> =
  IsKnown<S> extends true
    ? string extends Wanted
      ? Tensor<S>
      : [Exclude<Wanted, S[number]>] extends [never]
        ? Tensor<S>
        : `a tensor with ${Exclude<Wanted, S[number]>}, which ${Sentence<S>} lacks`
    : Tensor<S>;

/** Names of dimensions of one factor each, `[{ vocab: 512 }, { dim: 64 }]`. */
export type DimNames<D extends readonly object[]> = number extends D['length']
  ? Unknown
  : D extends readonly [infer H extends object, ...infer Rest extends readonly object[]]
    ? IsOne<keyof H> extends true
      ? DimNames<Rest> extends infer Tail extends Shape
        ? IsAny<Tail> extends true
          ? Unknown
          : [keyof H & string, ...Tail]
        : Unknown
      : Unknown
    : [];

/** What is given, or, where it names what S lacks, a sentence that nothing is assignable to. Of an object, its keys are names. */
export type Among<S extends Shape, Given> =
  IsKnown<S> extends true ? Judged<S[number], Asked<Given>, Given, Sentence<S>> : Given;

/** The same of what S and the shapes of other tensors have together; `others` without a name of the checker's know none. */
export type AmongAll<S extends Shape, Others extends readonly unknown[], Given> =
  IsKnown<S> extends true
    ? Others[number] extends infer O
      ? [O] extends [never]
        ? Among<S, Given>
        : NamesOf<O> extends infer More extends string
          ? Judged<S[number] | More, Asked<Given>, Given, 'any operand'>
          : Given
      : never
    : Given;

/** Of an elementwise op with a tensor or a number. */
export type Elementwise<S extends Shape, Other> = Other extends { readonly shape?: infer O }
  ? O extends Shape | undefined
    ? Union<S, Exclude<O, undefined>>
    : Unknown
  : S;

type Judged<Has extends string, A extends string, Given, Place extends string> = string extends A | Has
  ? Given
  : [Exclude<A, Has>] extends [never]
    ? Given
    : `no factor '${Exclude<A, Has>}' in ${Place}`;

/** The names in what is given: words of a string, members of a list, keys of an object. */
type Asked<Given> = Given extends string
  ? string extends Given
    ? string
    : Words<Given>[number]
  : Given extends Shape
    ? Given[number]
    : keyof Given & string;

/** All names of tensors; `string` where those of one are not known. */
type NamesOf<T> = T extends { readonly shape?: infer S }
  ? Exclude<S, undefined> extends infer K extends Shape
    ? IsKnown<K> extends true
      ? K[number]
      : string
    : string
  : string;

/** Whether all names of a shape are literal. */
type IsKnown<S extends Shape> =
  IsAny<S> extends true ? false : number extends S['length'] ? false : string extends S[number] ? false : true;

type IsAny<T> = 0 extends 1 & T ? true : false;

type Drop<S extends Shape, Gone extends string> = S extends readonly [
  infer H extends string,
  ...infer Rest extends Shape,
]
  ? H extends Gone
    ? Drop<Rest, Gone>
    : [H, ...Drop<Rest, Gone>]
  : [];

/** B where it is longer, else A. */
type Longer<A extends Shape, B extends Shape> = IsLonger<B, A> extends true ? B : A;

/** S, and behind it what it lacks of More. */
type Append<S extends Shape, More extends Shape> = [...S, ...Drop<More, S[number]>];

type IsLonger<A extends Shape, B extends Shape> = A extends readonly [unknown, ...infer X extends Shape]
  ? B extends readonly [unknown, ...infer Y extends Shape]
    ? IsLonger<X, Y>
    : true
  : false;

/** Whether a union has one literal member. */
type IsOne<T> = [T] extends [never] ? false : string extends T ? false : [T] extends [string] ? Alone<T> : false;
type Alone<T, All = T> = T extends unknown ? ([All] extends [T] ? true : false) : never;

type Words<T extends string> = T extends `${infer A} ${infer B}` ? [...Words<A>, ...Words<B>] : T extends '' ? [] : [T];

type Mutable<S extends Shape> = { -readonly [I in keyof S]: S[I] };

/** `[batch sequence dim]` in words of a message. */
type Sentence<S extends Shape> = `[${Spaced<S>}]`;

type Spaced<S extends Shape> = S extends readonly [infer H extends string, ...infer Rest extends Shape]
  ? Rest['length'] extends 0
    ? H
    : `${H} ${Spaced<Rest>}`
  : '';
