-- Where an artifact would lie on CodeBuild: bucket, path, build id and name as its project and buildspec say.

-- AlterTable
ALTER TABLE "build_artifact" ADD COLUMN "place" TEXT;
