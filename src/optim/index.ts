/** Optimizers and learning-rate schedules. */
export { adamw, adamwScalars, type AdamW, type AdamWOptions, type AdamWScalars } from './adamw.js';
export { constant, cosine, learningRate, linear, type Schedule, type ScheduleOptions } from './schedule.js';
