-- codebuild-breakpoint holds a build until somebody lets it go on (docs/decisions/0037).

-- AlterTable
ALTER TABLE "build" ADD COLUMN "pause" JSONB;
