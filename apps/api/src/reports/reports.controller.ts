// Reports over HTTP: of a build, one by one, and what is in them.
import { Controller, Delete, Get, HttpCode, Param, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { z } from 'zod';
import { parseBuildId, parseUuid } from '#core/ids.js';
import { BuildsStore } from '#store/builds.store.js';
import type { Page } from '#store/page.js';
import { ReportsStore } from '#store/reports.store.js';
import { Describe } from '../docs/describe.js';
import { BUILD_PARAM } from '../docs/examples.js';
import { EXAMPLE_CASE, EXAMPLE_COVERAGE, EXAMPLE_REPORT, REPORT_PARAM } from './report.docs.js';
import * as dto from './report.dto.js';

@ApiTags('Reports')
@Controller('v1')
export class ReportsController {
  constructor(
    private readonly builds: BuildsStore,
    private readonly reports: ReportsStore,
  ) {}

  @Get('builds/:id/reports')
  @Describe({
    summary: 'List reports of a build',
    description: 'Of all its attempts, in the order in which they were made.',
    params: BUILD_PARAM,
    answer: dto.reportList,
    example: { items: [EXAMPLE_REPORT] },
    errors: ['INVALID_INPUT', 'BUILD_NOT_FOUND'],
  })
  async ofBuild(@Param('id') id: string): Promise<z.infer<typeof dto.reportList>> {
    const build = await this.builds.get(parseBuildId(id).id);
    return { items: (await this.reports.ofBuild(build.id)).map(dto.toReportView) };
  }

  @Get('reports/:id')
  @Describe({
    summary: 'Get a report',
    description: 'Its status and sums.',
    params: REPORT_PARAM,
    answer: dto.reportView,
    example: EXAMPLE_REPORT,
    errors: ['INVALID_INPUT', 'REPORT_NOT_FOUND'],
  })
  async get(@Param('id') id: string): Promise<dto.ReportView> {
    return dto.toReportView(await this.reports.get(parseUuid(id)));
  }

  @Delete('reports/:id')
  @HttpCode(204)
  @Describe({
    summary: 'Delete a report',
    description: 'With all that is in it.',
    params: REPORT_PARAM,
    status: 204,
    errors: ['INVALID_INPUT', 'REPORT_NOT_FOUND'],
  })
  async delete(@Param('id') id: string): Promise<void> {
    await this.reports.delete(parseUuid(id));
  }

  @Get('reports/:id/test-cases')
  @Describe({
    summary: 'List test cases of a report',
    description: 'In the order of its files. Those that failed are kept first where a report has more than are kept.',
    params: REPORT_PARAM,
    answer: dto.testCasePage,
    example: { items: [EXAMPLE_CASE], nextCursor: null },
    errors: ['INVALID_INPUT', 'REPORT_NOT_FOUND'],
  })
  async testCases(
    @Param('id') id: string,
    @Query({ schema: dto.testCasesQuery }) query: z.output<typeof dto.testCasesQuery>,
  ): Promise<Page<z.infer<typeof dto.testCaseView>>> {
    const { limit, status, keyword, prefix, cursor } = query;
    const page = await this.reports.cases({
      ...{ reportId: parseUuid(id), limit },
      ...(status === undefined ? {} : { status }),
      ...(keyword === undefined ? {} : { keyword }),
      ...(prefix === undefined ? {} : { prefix }),
      ...(cursor === undefined ? {} : { cursor }),
    });
    return { ...page, items: page.items.map(dto.toTestCaseView) };
  }

  @Get('reports/:id/code-coverage')
  @Describe({
    summary: 'List covered files of a report',
    description: 'The least covered first, unless asked otherwise.',
    params: REPORT_PARAM,
    answer: dto.coveragePage,
    example: { items: [EXAMPLE_COVERAGE], nextCursor: null },
    errors: ['INVALID_INPUT', 'REPORT_NOT_FOUND'],
  })
  async coverage(
    @Param('id') id: string,
    @Query({ schema: dto.coverageQuery }) query: z.output<typeof dto.coverageQuery>,
  ): Promise<Page<z.infer<typeof dto.coverageView>>> {
    const { limit, sortBy, sortOrder, minLineCoveragePercentage: min, maxLineCoveragePercentage: max, cursor } = query;
    const page = await this.reports.coverage({
      ...{ reportId: parseUuid(id), limit, sortBy, sortOrder },
      ...(min === undefined ? {} : { minLinePercentage: min }),
      ...(max === undefined ? {} : { maxLinePercentage: max }),
      ...(cursor === undefined ? {} : { cursor }),
    });
    return { ...page, items: page.items.map(dto.toCoverageView) };
  }
}
