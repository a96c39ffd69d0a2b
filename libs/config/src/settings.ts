// The only reader of process.env. One schema in sections; each app parses the sections it needs, once, at its start.
// Defaults, units and meaning stand beside each setting; .env.example is generated from here (a test keeps them equal).
import { z } from 'zod';
import type { Finding } from '#core/errors.js';

const text = z.string().trim().min(1);
const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const yesNo = z.enum(['true', 'false']).transform((word) => word === 'true');
const list = z.string().transform((words) =>
  words
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== ''),
);
const url = (...schemes: string[]) =>
  z.string().refine((value) => schemes.some((scheme) => value.startsWith(`${scheme}://`)), {
    message: `a URL with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`,
  });

/** Every setting: its variable without KILNYARD_, its check, its default as text, and what it is for. */
export const SECTIONS = {
  http: {
    PORT: { schema: whole(0, 65535), default: '3000', about: 'Port of the API; 0 takes a free one.' },
    HOST: { schema: text, default: '127.0.0.1', about: 'Address that the API binds to.' },
    PUBLIC_URL: {
      schema: z.string(),
      default: '',
      about: 'URL under which people reach the API; empty: http://HOST:PORT.',
    },
    MAX_BODY_BYTES: {
      schema: whole(1024, 2 ** 30),
      default: '1048576',
      about: 'Largest JSON body that the API reads.',
    },
    MAX_UPLOAD_BYTES: {
      schema: whole(1024, 2 ** 40),
      default: '1073741824',
      about: 'Largest source archive that can be uploaded.',
    },
  },
  database: {
    DATABASE_URL: {
      schema: url('postgres', 'postgresql'),
      default: 'postgres://kilnyard:kilnyard@127.0.0.1:5432/kilnyard',
      about: 'Postgres, the only truth.',
    },
    DATABASE_POOL: { schema: whole(2, 200), default: '10', about: 'Connections per process.' },
  },
  redis: {
    REDIS_URL: {
      schema: url('redis', 'rediss'),
      default: 'redis://127.0.0.1:6379',
      about: 'Redis, the wake-ups; it may be emptied at any moment.',
    },
    QUEUE_PREFIX: { schema: text, default: 'kilnyard', about: 'Prefix of all keys in Redis.' },
  },
  storage: {
    DATA_DIR: {
      schema: text,
      default: '.kilnyard',
      about: 'Folder for artifacts, caches, uploads, mirrors and workspaces.',
    },
    MASTER_KEY: {
      schema: z.string(),
      default: '',
      about: 'Key that seals parameters and secrets: 32 bytes in base64. Empty: read from MASTER_KEY_FILE.',
    },
    MASTER_KEY_FILE: {
      schema: text,
      default: '.kilnyard/master.key',
      about: 'File with the master key; made at the first start of `npm start`.',
    },
  },
  worker: {
    WORKER_SLOTS: { schema: whole(1, 256), default: '2', about: 'Builds that a worker runs at once.' },
    WORKER_METRICS_PORT: {
      schema: whole(0, 65535),
      default: '0',
      about: 'Port for the /metrics and /health of the worker, on HOST; 0: none.',
    },
    LEASE_MS: {
      schema: whole(5_000, 600_000),
      default: '45000',
      about: 'How long a claim holds without being renewed.',
    },
    HOST_LOST_MS: {
      schema: whole(0, 86_400_000),
      default: '120000',
      about: 'How long after its lease ran out a running build waits for a worker of its Docker host to go on with it.',
    },
    DATABASE_AWAY_MS: {
      schema: whole(1_000, 86_400_000),
      default: '900000',
      about: 'How long a running build waits for a database that does not answer before its worker lets it go.',
    },
    SWEEP_MS: { schema: whole(500, 600_000), default: '5000', about: 'How often queue and leases are looked over.' },
    DISK_CHECK_MS: {
      schema: whole(500, 600_000),
      default: '10000',
      about: 'How often the disk use of a running build is looked at.',
    },
    DRAIN_GRACE_MS: {
      schema: whole(0, 86_400_000),
      default: '30000',
      about:
        'How long running builds may go on after a first SIGTERM before they are left for the next worker of this host; where one is there already, they pass to it at once.',
    },
  },
  docker: {
    DOCKER_SOCKET: {
      schema: z.string(),
      default: '',
      about: 'Socket of the Docker Engine; empty: DOCKER_HOST, else /var/run/docker.sock.',
    },
    BUILD_NETWORK: {
      schema: text,
      default: 'kilnyard',
      about: 'Docker network of the builds; made when missing, without a way between containers.',
    },
    NETWORK_DENY: {
      schema: list,
      default: '169.254.0.0/16,100.100.100.200/32,fd00:ec2::254/128',
      about: 'Addresses that no build may reach, beside the host itself.',
    },
    REQUIRE_FIREWALL: {
      schema: yesNo,
      default: 'true',
      about:
        'Take no builds while the way from builds to this host is open; false: take them and report the worker degraded.',
    },
    PRIVILEGED_PROJECTS: { schema: list, default: '', about: 'Projects that may ask for privilegedMode.' },
    SPOOL_LIMIT_BYTES: {
      schema: whole(2 ** 20, 2 ** 40),
      default: '268435456',
      about: 'Output not yet stored at which a build is paused until it is.',
    },
    WAITING_MAX: {
      schema: whole(0, 1_000),
      default: '4',
      about: 'Containers that a worker keeps waiting for builds, of all images in use together; 0: none.',
    },
    WAITING_IDLE_MS: {
      schema: whole(1_000, 86_400_000),
      default: '600000',
      about: 'How long after its last build an image and compute type has containers waiting.',
    },
    WAITING_MIN_FREE_BYTES: {
      schema: whole(0, 2 ** 44),
      default: '536870912',
      about: 'No container waits while the host has less memory than this available.',
    },
    DEFAULT_IMAGE: { schema: text, default: 'kilnyard/standard:1.0', about: 'Image of a project that names none.' },
  },
  source: {
    SOURCE_MAX_BYTES: {
      schema: whole(2 ** 20, 2 ** 42),
      default: '10737418240',
      about: 'Largest repository or unpacked archive.',
    },
    SOURCE_TIMEOUT_MS: {
      schema: whole(1_000, 86_400_000),
      default: '1800000',
      about: 'How long fetching a source may take.',
    },
    SOURCE_LOCAL_PATHS: {
      schema: list,
      default: '',
      about: 'Folders under which local paths may be used as Git sources; empty: none.',
    },
  },
  logs: {
    LOG_LINE_BYTES: {
      schema: whole(256, 2 ** 24),
      default: '262144',
      about: 'Longest line; a longer one is cut into several that carry on.',
    },
    LOG_BUILD_BYTES: {
      schema: whole(2 ** 16, 2 ** 42),
      default: '1073741824',
      about: 'Longest log of one build; head and tail are kept, what is missing is counted.',
    },
    LOG_FLUSH_MS: {
      schema: whole(10, 10_000),
      default: '100',
      about: 'How long a line waits for company before it is stored.',
    },
    LOG_LEVEL: {
      schema: z.enum(['debug', 'info', 'warn', 'error', 'silent']),
      default: 'info',
      about: 'Diagnostics of the service itself.',
    },
  },
  access: {
    ADMIN_TOKEN: {
      schema: z.string(),
      default: '',
      about: 'A token with all rights, made known at start; empty: only tokens in the database count.',
    },
    METRICS_PUBLIC: {
      schema: z.enum(['true', 'false']).transform((word) => word === 'true'),
      default: 'false',
      about: 'Whether /metrics of the API answers without a token.',
    },
    QUEUE_MAX_WAITING: {
      schema: whole(1, 10_000_000),
      default: '100000',
      about: 'Builds that may wait in all; more are refused.',
    },
    IDEMPOTENCY_MINUTES: {
      schema: whole(1, 10_080),
      default: '1440',
      about: 'How long an Idempotency-Key is remembered.',
    },
  },
} as const;

export type SectionName = keyof typeof SECTIONS;
type Camel<S extends string> = S extends `${infer A}_${infer B}` ? `${Lowercase<A>}${CamelTail<B>}` : Lowercase<S>;
type CamelTail<S extends string> = S extends `${infer A}_${infer B}`
  ? `${Capitalize<Lowercase<A>>}${CamelTail<B>}`
  : Capitalize<Lowercase<S>>;
export type Section<N extends SectionName> = {
  readonly [K in keyof (typeof SECTIONS)[N] as Camel<K & string>]: (typeof SECTIONS)[N][K] extends {
    schema: infer S extends z.ZodType;
  }
    ? z.output<S>
    : never;
};
export type Settings<N extends SectionName = SectionName> = { readonly [K in N]: Section<K> };

/** A wrong setting stops the start with all problems at once. */
export class SettingsError extends Error {
  constructor(readonly findings: Finding[]) {
    super(
      `settings are wrong:\n${findings.map((f) => `  ${f.field}: expected ${f.expected}, got ${f.got}`).join('\n')}`,
    );
    this.name = 'SettingsError';
  }
}

/**
 * Reads the named sections from the environment.
 * In: variables by name (process.env). Out: frozen settings, camelCase (`KILNYARD_LEASE_MS` is `worker.leaseMs`).
 * Errors: SettingsError with every wrong value; a value is never printed when its name says KEY, TOKEN, SECRET or URL.
 */
export function readSettings<N extends SectionName>(
  env: Readonly<Record<string, string | undefined>>,
  ...names: N[]
): Settings<N> {
  const findings: Finding[] = [];
  const settings: Record<string, Record<string, unknown>> = {};
  for (const name of names) {
    const section: Record<string, unknown> = {};
    for (const [key, field] of Object.entries(SECTIONS[name]) as [string, { schema: z.ZodType; default: string }][]) {
      const variable = `KILNYARD_${key}`;
      const given = env[variable];
      const result = field.schema.safeParse(given === undefined || given === '' ? field.default : given);
      if (result.success) section[camel(key)] = result.data;
      else
        findings.push({
          field: variable,
          expected: result.error.issues.map((i) => i.message).join('; '),
          got: shown(key, given ?? ''),
        });
    }
    settings[name] = Object.freeze(section) as Record<string, unknown>;
  }
  if (findings.length > 0) throw new SettingsError(findings);
  return Object.freeze(settings) as Settings<N>;
}

function camel(key: string): string {
  return key.toLowerCase().replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function shown(key: string, value: string): string {
  return /KEY|TOKEN|SECRET|URL/.test(key) ? 'a value that does not fit' : JSON.stringify(value.slice(0, 100));
}
