-- A log that was sealed without its worker holds what is stored, which may not be all.
ALTER TABLE "build" ADD COLUMN "log_cut" BOOLEAN NOT NULL DEFAULT false;
