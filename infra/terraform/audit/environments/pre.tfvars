# PRE. What core says too is compared with core's file by `make check-infra`.
environment     = "pre"
unique          = "nhs1"
host            = "pre.status-ledger.example.nhs.uk"
retention_days  = 90
max_connections = 1718
staging_slot    = true

told = {
  operators = "<EMAIL ADDRESS OF THE OPERATORS>"
}

silence_alert = {
  enabled = false
  window  = "PT1H"
}
