variable "environment" {
  description = "dev, int, pre or prd"
  type        = string
}

variable "location" {
  description = "The Azure region."
  type        = string
  default     = "uksouth"
}

variable "unique" {
  description = "As in core: a few letters that make globally unique names ours."
  type        = string
}

variable "host" {
  description = "As in core: the name under which suppliers and clients know the service."
  type        = string
}

variable "retention_days" {
  description = "Days that logs are kept."
  type        = number
}

variable "max_connections" {
  description = "As in core: connections that the database takes."
  type        = number
}

variable "staging_slot" {
  description = "As in core: whether there is a staging slot, whose logs are kept too."
  type        = bool
}

variable "told" {
  description = "Who is told of alerts: names and email addresses."
  type        = map(string)
}

variable "silence_alert" {
  description = "Whether an hour without callbacks is an alert; not where nobody sends at night."
  type = object({
    enabled = bool
    window  = string
  })
}

variable "insights_secret_version" {
  description = "Raise it to write the connection string of Application Insights into the vault again."
  type        = number
  default     = 1
}
