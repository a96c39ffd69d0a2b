// How much a report may hold. Report files come from whoever may open a pull request: each way to make reading one slow or large has a limit.

/** Bytes of one report file. */
export const MAX_FILE_BYTES = 64 * 2 ** 20;
/** Levels of XML elements inside each other; real reports have some ten, nested suites some more. */
export const MAX_DEPTH = 256;
/** Test cases of one report, kept or not. */
export const MAX_CASES = 500_000;
/** Source files of one coverage report. */
export const MAX_COVERED_FILES = 50_000;
/** Lines and branches of all files of one coverage report. */
export const MAX_COVERED_LINES = 3_000_000;
/** The highest line number and count that is taken for one. */
export const MAX_NUMBER = 1_000_000_000;
/** The longest time of one case, in ns: 30 days. */
export const MAX_DURATION_NS = 30 * 86_400 * 1e9;
/** Characters of all messages that one report keeps. */
export const MAX_MESSAGES = 8 * 2 ** 20;
