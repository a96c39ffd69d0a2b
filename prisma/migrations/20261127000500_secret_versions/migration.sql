-- Earlier values of secrets, for references that name a version or AWSPREVIOUS.

-- AlterTable
ALTER TABLE "secret" ADD COLUMN "version_id" UUID NOT NULL DEFAULT gen_random_uuid();

-- CreateTable
CREATE TABLE "secret_version" (
    "name" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "version_id" UUID NOT NULL,
    "sealed" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "secret_version_pkey" PRIMARY KEY ("name","version")
);

-- AddForeignKey
ALTER TABLE "secret_version" ADD CONSTRAINT "secret_version_name_fkey" FOREIGN KEY ("name") REFERENCES "secret"("name") ON DELETE CASCADE ON UPDATE CASCADE;
