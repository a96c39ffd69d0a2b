// Writes .env.example out of the settings: every variable with its meaning and default. A test keeps the file equal to this.
import { SECTIONS } from './settings.js';

const HEAD = `# Every setting of Kilnyard with its default; written from libs/config (npm run env:example).
# \`npm start\` takes them from its environment; docker compose reads the file .env.
`;

/** The text of .env.example: sections in their order, each variable commented out with its default. */
export function envExample(): string {
  const sections = Object.entries(SECTIONS).map(([section, settings]) => {
    const entries = Object.entries(settings as Record<string, { default: string; about: string }>);
    return `\n## ${section}\n${entries.map(([key, { about, default: value }]) => `# ${about}\n# KILNYARD_${key}=${value}\n`).join('')}`;
  });
  return `${HEAD}${sections.join('')}`;
}
