// Report groups over HTTP: looked at, told how long to keep, deleted; and what their reports tell together.
import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { z } from 'zod';
import type { Page } from '#store/page.js';
import { ReportsStore } from '#store/reports.store.js';
import { Describe } from '../docs/describe.js';
import { EXAMPLE_CASE, EXAMPLE_GROUP, EXAMPLE_REPORT, GROUP_PARAM } from './report.docs.js';
import * as dto from './report.dto.js';

const EXAMPLE_NAMED = {
  name: EXAMPLE_CASE.name,
  prefix: EXAMPLE_CASE.prefix,
  testSuiteName: EXAMPLE_CASE.testSuiteName,
};

@ApiTags('Reports')
@Controller('v1/report-groups')
export class ReportGroupsController {
  constructor(private readonly reports: ReportsStore) {}

  @Get()
  @Describe({
    summary: 'List report groups',
    description:
      'By name. Builds make them: one for each entry of `reports` in a buildspec, named `<project>-<entry>`.',
    answer: dto.groupPage,
    example: { items: [EXAMPLE_GROUP], nextCursor: null },
    errors: ['INVALID_INPUT'],
  })
  async list(
    @Query({ schema: dto.listGroupsQuery }) query: z.output<typeof dto.listGroupsQuery>,
  ): Promise<Page<dto.GroupView>> {
    const { limit, project, type, cursor } = query;
    const page = await this.reports.groups({
      limit,
      ...(project === undefined ? {} : { projectName: project }),
      ...(type === undefined ? {} : { type }),
      ...(cursor === undefined ? {} : { cursor }),
    });
    return { ...page, items: page.items.map(dto.toGroupView) };
  }

  @Get(':name')
  @Describe({
    summary: 'Get a report group',
    description: 'Its type, and how long it keeps reports.',
    params: GROUP_PARAM,
    answer: dto.groupView,
    example: EXAMPLE_GROUP,
    errors: ['REPORT_GROUP_NOT_FOUND'],
  })
  async get(@Param('name') name: string): Promise<dto.GroupView> {
    return dto.toGroupView(await this.reports.group(name));
  }

  @Patch(':name')
  @Describe({
    summary: 'Change a report group',
    description: 'How long it keeps its reports.',
    params: GROUP_PARAM,
    answer: dto.groupView,
    example: { ...EXAMPLE_GROUP, expiryDays: 90 },
    bodyExamples: { longer: { summary: 'Keep reports for 90 days', value: { expiryDays: 90 } } },
    errors: ['INVALID_INPUT', 'REPORT_GROUP_NOT_FOUND'],
  })
  async update(
    @Param('name') name: string,
    @Body({ schema: dto.updateGroupBody }) body: z.output<typeof dto.updateGroupBody>,
  ): Promise<dto.GroupView> {
    return dto.toGroupView(await this.reports.updateGroup(name, body.expiryDays));
  }

  @Delete(':name')
  @HttpCode(204)
  @Describe({
    summary: 'Delete a report group',
    description: 'One with reports only with `deleteReports=true`. The next build that reports to it makes it again.',
    params: GROUP_PARAM,
    status: 204,
    errors: ['INVALID_INPUT', 'REPORT_GROUP_NOT_FOUND'],
  })
  async delete(
    @Param('name') name: string,
    @Query({ schema: dto.deleteGroupQuery }) query: z.output<typeof dto.deleteGroupQuery>,
  ): Promise<void> {
    await this.reports.deleteGroup(name, query.deleteReports === 'true');
  }

  @Get(':name/reports')
  @Describe({
    summary: 'List reports of a group',
    description: 'Newest first.',
    params: GROUP_PARAM,
    answer: dto.reportPage,
    example: { items: [EXAMPLE_REPORT], nextCursor: null },
    errors: ['INVALID_INPUT', 'REPORT_GROUP_NOT_FOUND'],
  })
  async listReports(
    @Param('name') name: string,
    @Query({ schema: dto.listReportsQuery }) query: z.output<typeof dto.listReportsQuery>,
  ): Promise<Page<dto.ReportView>> {
    const { limit, status, cursor } = query;
    const page = await this.reports.ofGroup({
      ...{ group: name, limit },
      ...(status === undefined ? {} : { status }),
      ...(cursor === undefined ? {} : { cursor }),
    });
    return { ...page, items: page.items.map(dto.toReportView) };
  }

  @Get(':name/trend')
  @Describe({
    summary: 'Get the trend of a group',
    description: 'One figure over its newest reports, with their average, lowest and highest value.',
    params: GROUP_PARAM,
    answer: dto.trendView,
    example: {
      stats: { average: 66.67, min: 66.67, max: 66.67 },
      items: [
        {
          reportId: EXAMPLE_REPORT.id,
          buildId: EXAMPLE_REPORT.buildId,
          buildNumber: 1,
          created: EXAMPLE_REPORT.created,
          value: 66.67,
        },
      ],
    },
    errors: ['INVALID_INPUT', 'REPORT_GROUP_NOT_FOUND'],
  })
  async trend(
    @Param('name') name: string,
    @Query({ schema: dto.trendQuery }) query: z.output<typeof dto.trendQuery>,
  ): Promise<z.infer<typeof dto.trendView>> {
    return dto.toTrendView(await this.reports.trend(name, query.field, query.reports));
  }

  @Get(':name/flaky-tests')
  @Describe({
    summary: 'List flaky tests of a group',
    description: 'Tests that both passed and failed on one commit, those that did so on most commits first.',
    params: GROUP_PARAM,
    answer: dto.flakyList,
    example: { items: [{ ...EXAMPLE_NAMED, commits: 2, passed: 3, failed: 2, lastFailed: EXAMPLE_REPORT.created }] },
    errors: ['INVALID_INPUT', 'REPORT_GROUP_NOT_FOUND'],
  })
  async flaky(
    @Param('name') name: string,
    @Query({ schema: dto.flakyQuery }) query: z.output<typeof dto.flakyQuery>,
  ): Promise<z.infer<typeof dto.flakyList>> {
    return { items: (await this.reports.flaky(name, query.days, query.limit)).map(dto.toFlakyView) };
  }

  @Get(':name/slowest-tests')
  @Describe({
    summary: 'List the slowest tests of a group',
    description: 'By their average time over its newest reports.',
    params: GROUP_PARAM,
    answer: dto.slowestList,
    example: { items: [{ ...EXAMPLE_NAMED, runs: 20, averageInNanoSeconds: 4.2e9, maxInNanoSeconds: 9.1e9 }] },
    errors: ['INVALID_INPUT', 'REPORT_GROUP_NOT_FOUND'],
  })
  async slowest(
    @Param('name') name: string,
    @Query({ schema: dto.slowestQuery }) query: z.output<typeof dto.slowestQuery>,
  ): Promise<z.infer<typeof dto.slowestList>> {
    return { items: (await this.reports.slowest(name, query.reports, query.limit)).map(dto.toSlowView) };
  }
}
