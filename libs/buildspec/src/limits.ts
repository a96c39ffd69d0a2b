// How much a buildspec may hold. A buildspec comes from whoever may push to the repository, so each way to make reading it
// slow or large has a limit; passing one is a finding like any other.

/** UTF-8 bytes of the whole text. */
export const MAX_BUILDSPEC_BYTES = 512 * 1024;
/** Tokens that the YAML lexer makes of the text; a real file of 2,300 lines (60 KB) has 16,000. Reading this many takes about a second. */
export const MAX_BUILDSPEC_TOKENS = 150_000;
/** Levels of lists and maps inside each other. The YAML composer is recursive: 250,000 levels end the whole process. */
export const MAX_BUILDSPEC_DEPTH = 64;
/** Values of the document with every alias and merge key written out (the "billion laughs" limit). */
export const MAX_BUILDSPEC_NODES = 200_000;
/** Findings that one refusal lists; it says how many more there are. */
export const MAX_BUILDSPEC_FINDINGS = 100;
/** CodeBuild: up to three times unless a count is given. */
export const DEFAULT_RETRY_COUNT = 3;
export const MAX_RETRY_COUNT = 100;
export const MAX_FALLBACK_KEYS = 5;
export const MAX_REPORT_GROUPS = 5;
/** Characters of a path to a buildspec. */
export const MAX_BUILDSPEC_PATH_LENGTH = 1024;
/** Characters of one file pattern, after its variables were filled in. */
export const MAX_GLOB_LENGTH = 4096;
/** Patterns in one list of files or exclusions. */
export const MAX_GLOBS = 1000;
/** Tasks of a batch, written out. */
export const MAX_BATCH_TASKS = 1000;
