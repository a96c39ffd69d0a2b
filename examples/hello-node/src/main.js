#!/usr/bin/env node
import pc from 'picocolors';
import { greeting } from './greeting.js';

const [name = 'world', moment] = process.argv.slice(2);
const nowMs = Date.now();
const momentMs = moment === undefined ? nowMs : Date.parse(moment);
if (Number.isNaN(momentMs)) {
  console.error(pc.red(`not a date: ${moment}; expected one as in 2030-01-31`));
  process.exitCode = 1;
} else console.log(pc.green(greeting(name, momentMs, nowMs)));
