-- What the population is made of: a schema beside the ledger, from which its rows follow by their numbers alone.
CREATE SCHEMA benchmark;

CREATE TABLE benchmark.batches (
    first_message bigint      NOT NULL PRIMARY KEY,
    size          integer     NOT NULL,
    registered_at timestamptz NOT NULL,
    client_id     text COLLATE "C", -- NULL: nobody registered it
    reference     text COLLATE "C" NOT NULL UNIQUE
);

CREATE TABLE benchmark.recipients (number integer NOT NULL PRIMARY KEY, token bytea NOT NULL);

CREATE TABLE benchmark.chunks (first_message bigint NOT NULL PRIMARY KEY, events bigint NOT NULL);

-- The lives that messages lead, in thousandths of all: `least` to below `below`.
CREATE TABLE benchmark.lives (
    least           integer  NOT NULL,
    below           integer  NOT NULL,
    step            integer  NOT NULL,
    after           interval NOT NULL,
    channel         text,
    message_status  text,
    channel_status  text,
    supplier_status text
);
INSERT INTO benchmark.lives VALUES
    (0, 560, 1, '0', NULL, 'created', NULL, NULL),
    (0, 560, 2, '1 minute', 'nhsapp', NULL, 'sending', 'received'),
    (0, 560, 3, '20 hours', 'nhsapp', NULL, 'delivered', 'read'),
    (0, 560, 4, '20 hours', NULL, 'delivered', NULL, NULL),
    (560, 760, 1, '0', NULL, 'created', NULL, NULL),
    (560, 760, 2, '1 minute', 'nhsapp', NULL, 'sending', 'notified'),
    (560, 760, 3, '24 hours', 'nhsapp', NULL, 'failed', 'notified'),
    (560, 760, 4, '25 hours', 'sms', NULL, 'delivered', 'delivered'),
    (560, 760, 5, '25 hours', NULL, 'delivered', NULL, NULL),
    (760, 850, 1, '0', NULL, 'created', NULL, NULL),
    (760, 850, 2, '2 minutes', 'email', NULL, 'sending', 'sending'),
    (760, 850, 3, '1 hour', 'email', NULL, 'delivered', 'delivered'),
    (760, 850, 4, '1 hour', NULL, 'delivered', NULL, NULL),
    (850, 930, 1, '0', NULL, 'created', NULL, NULL),
    (850, 930, 2, '6 hours', 'letter', NULL, 'sending', 'accepted'),
    (850, 930, 3, '40 hours', 'letter', NULL, 'sending', 'dispatched'),
    (850, 930, 4, '120 hours', 'letter', NULL, 'delivered', 'received'),
    (850, 930, 5, '120 hours', NULL, 'delivered', NULL, NULL),
    (930, 960, 1, '0', NULL, 'created', NULL, NULL),
    (930, 960, 2, '2 minutes', 'sms', NULL, 'sending', 'sending'),
    (930, 960, 3, '30 minutes', 'sms', NULL, 'failed', 'permanent_failure'),
    (930, 960, 4, '30 minutes', NULL, 'failed', NULL, NULL),
    (960, 980, 1, '0', NULL, 'created', NULL, NULL),
    (960, 980, 2, '1 hour', NULL, 'failed', NULL, NULL),
    (980, 990, 1, '0', NULL, 'created', NULL, NULL),
    (980, 990, 2, '6 hours', 'letter', NULL, 'sending', 'accepted'),
    (980, 990, 3, '200 hours', 'letter', NULL, 'failed', 'returned'),
    (980, 990, 4, '200 hours', NULL, 'failed', NULL, NULL),
    (990, 999, 1, '0', NULL, 'created', NULL, NULL),
    (990, 999, 2, '1 hour', 'nhsapp', 'sending', 'sending', 'unnotified'),
    (999, 1000, 1, '0', NULL, 'created', NULL, NULL),
    (999, 1000, 2, '6 hours', 'letter', NULL, 'failed', 'virus_scan_failed'),
    (999, 1000, 3, '7 hours', NULL, 'failed', NULL, NULL);
