-- Says the same however often it is run.
SET client_min_messages = warning;
CREATE TABLE IF NOT EXISTS visits (number integer PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());
