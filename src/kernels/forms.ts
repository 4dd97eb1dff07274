/**
 * Forms: the ways in which an op can run on a site, by the id that a program names. The first that takes the operands is preferred; a
 * form and a site determine the launches, so nothing is left to choose when a program is loaded.
 */
import type { KernelSite, LaunchForm } from './site.js';

/** The launches of a site, in order; null where the form does not take its operands. */
export type Form = (site: KernelSite) => readonly LaunchForm[] | null;

/** In order of preference. */
export type Forms = Readonly<Record<string, Form>>;

export const one = (launch: LaunchForm | null): readonly LaunchForm[] | null => launch && [launch];

/** A kernel on the blocks as they lie, and on copies of those that it does not take so. */
export const onCopies = (id: string, form: Form): Forms => ({
  [id]: (site) => where(form(site), isDirect),
  [`${id} on copies`]: (site) => where(form(site), (launches) => !isDirect(launches)),
});

const isDirect = (launches: readonly LaunchForm[]): boolean => launches.every(({ stagedBytes }) => !stagedBytes);

const where = (
  launches: readonly LaunchForm[] | null,
  fits: (launches: readonly LaunchForm[]) => boolean,
): readonly LaunchForm[] | null => (launches && fits(launches) ? launches : null);
