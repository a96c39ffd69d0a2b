import { describe, expect, it } from '@jest/globals';
import { Demand, shareOut } from './waiting-demand.js';

const WINDOW = 1000;

describe('the demand for waiting containers', () => {
  const rows: { why: string; does: (demand: Demand) => void; at: number; wanted: number }[] = [
    { why: 'nothing was used', does: () => undefined, at: 0, wanted: 0 },
    { why: 'one build, which still runs', does: (d) => d.took(0), at: 10, wanted: 1 },
    {
      why: 'one after the other is one at a time',
      does: (d) => {
        for (let at = 0; at < 500; at += 100) {
          d.took(at);
          d.ended();
        }
      },
      at: 600,
      wanted: 1,
    },
    {
      why: 'two at once a while ago count for as long as the window is',
      does: (d) => {
        d.took(0);
        d.took(100);
        d.ended();
        d.ended();
        d.took(900);
      },
      at: 1100,
      wanted: 2,
    },
    {
      why: 'and not longer',
      does: (d) => {
        d.took(0);
        d.took(100);
        d.ended();
        d.ended();
        d.took(900);
      },
      at: 1101,
      wanted: 1,
    },
    { why: 'out of use for longer than the window', does: (d) => d.took(0), at: 1001, wanted: 0 },
    {
      why: 'an end that was not begun here leaves nothing below zero',
      does: (d) => {
        d.ended();
        d.took(0);
      },
      at: 1,
      wanted: 1,
    },
  ];
  it.each(rows)('$why', ({ does, at, wanted }) => {
    const demand = new Demand();
    does(demand);
    expect(demand.wanted(at, WINDOW)).toBe(wanted);
  });
});

describe('sharing the places out', () => {
  const rows = [
    { why: 'enough for all', wants: [2, 1], max: 4, places: [2, 1] },
    { why: 'the last used first, then a second round', wants: [3, 3], max: 3, places: [1, 2] },
    { why: 'more kinds than places', wants: [1, 1, 1], max: 2, places: [0, 1, 1] },
    { why: 'none at all', wants: [2, 2], max: 0, places: [0, 0] },
    { why: 'what one does not want goes to another', wants: [4, 0], max: 3, places: [3, 0] },
  ];
  it.each(rows)('$why', ({ wants, max, places }) => {
    expect(
      shareOut(
        wants.map((wanted, lastAt) => ({ wanted, lastAt })),
        max,
      ),
    ).toEqual(places);
  });
});
