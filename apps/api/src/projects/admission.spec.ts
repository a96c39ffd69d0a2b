import { describe, expect, it } from '@jest/globals';
import type { ProjectSettings } from '#core/project.js';
import { admit } from './admission.js';
import { createProjectBody, toProjectSettings } from './project.dto.js';

function settingsOf(location: string, privilegedMode = false): ProjectSettings {
  const body = { name: 'demo', source: { type: 'GIT', location }, environment: { privilegedMode } };
  return toProjectSettings(createProjectBody.parse(body), 'img');
}
const operator = {
  source: { sourceLocalPaths: ['/srv/git', 'relative'] },
  docker: { privilegedProjects: ['trusted'] },
};

describe('admission', () => {
  it.each(['https://example.org/a', '/srv/git', '/srv/git/a.git', '/srv/git//a/./b'])('lets %s pass', (location) => {
    expect(() => admit('demo', settingsOf(location), operator)).not.toThrow();
  });

  it.each([
    ['/srv/git-secret/a', 'a folder with the same beginning'],
    ['/etc', 'another folder'],
    ['/', 'the root'],
    ['/relative/a', 'a rule that is no absolute path'],
  ])('refuses %s (%s)', (location) => {
    expect(() => admit('demo', settingsOf(location), operator)).toThrow(
      expect.objectContaining({ code: 'SOURCE_NOT_ALLOWED' }),
    );
  });

  it('lets only named projects be privileged', () => {
    expect(() => admit('trusted', settingsOf('https://a.b/c', true), operator)).not.toThrow();
    expect(() => admit('demo', settingsOf('https://a.b/c', true), operator)).toThrow(
      expect.objectContaining({ code: 'PRIVILEGED_NOT_ALLOWED' }),
    );
  });
});
