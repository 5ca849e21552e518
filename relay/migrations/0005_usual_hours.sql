-- When a desktop is usually on; '' while nothing is known.
ALTER TABLE monitors ADD COLUMN hours TEXT NOT NULL DEFAULT '';
