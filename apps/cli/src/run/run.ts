// `kilnyard run`: the build of a folder on this machine's Docker Engine, by the engine of the workers; needs no server.
import type { Command } from '../command.js';
import { processOutside } from './outside.js';

const HELP = `Usage: kilnyard run [options]

Runs the build of this folder in a container of this machine's Docker Engine. The folder is copied, and never written to.

  -b, --buildspec FILE    buildspec (default: buildspec.yml of the source); a path in the source, else a file here
  -i, --image IMAGE       image to build in (default: KILNYARD_DEFAULT_IMAGE)
  -s, --source DIR        the source (default: this folder); NAME:DIR is a secondary source. May be repeated
  -e, --env NAME=VALUE    a variable, or a file of lines NAME=VALUE. May be repeated, the last one wins
  -a, --artifacts DIR     keep artifacts there; without it they are not kept
      --secrets FILE      JSON: {"parameters": {"/name": "…"}, "secrets": {"name": "… or {…}"}}
      --cache DIR         keep the buildspec's cache there; without it there is none
      --compute-type TYPE BUILD_GENERAL1_SMALL (default), _MEDIUM, _LARGE, _XLARGE, _2XLARGE
      --timeout MINUTES   1 to 2160 (default: 60)
      --project NAME      name of the project (default: after the source's folder)
      --pull              ask the registry for the image, even where there is one here
      --privileged        a privileged container: the build may do anything to this machine
  -h, --help              this text

The log goes to standard output, all else to standard error. Ctrl-C stops the build, a second one leaves at once.
Exit status: 0 SUCCEEDED, 1 the build failed, 2 asked wrongly, 3 it could not be run (no Docker Engine), 130 stopped.
`;

export const run: Command = {
  name: 'run',
  summary: 'Runs the build of this folder on this machine',
  help: HELP,
  run: async (args, io) => {
    // the engine and all that it needs is loaded for those who run a build
    const { runCommand } = await import('./run-command.js');
    return runCommand(args, io, processOutside());
  },
};
