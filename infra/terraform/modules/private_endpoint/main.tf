# One way into a resource: an address in our network, and its name in our private DNS.

variable "name" {
  description = "The name of what it leads to; the endpoint is called pep-NAME-SUBRESOURCE."
  type        = string
}

variable "place" {
  description = "Where it is made, and the tags that it bears."
  type = object({
    resource_group_name = string
    location            = string
    tags                = map(string)
  })
}

variable "subnet_id" {
  description = "The subnet of private endpoints."
  type        = string
}

variable "resource_id" {
  description = "What it leads to."
  type        = string
}

variable "subresource" {
  description = "Which of its services: blob, queue, vault, registry, sites, …"
  type        = string
}

variable "dns_zone_id" {
  description = "The private DNS zone of that service."
  type        = string
}

resource "azurerm_private_endpoint" "this" {
  name                = "pep-${var.name}-${var.subresource}"
  resource_group_name = var.place.resource_group_name
  location            = var.place.location
  subnet_id           = var.subnet_id
  tags                = var.place.tags

  private_service_connection {
    name                           = "psc-${var.name}-${var.subresource}"
    private_connection_resource_id = var.resource_id
    subresource_names              = [var.subresource]
    is_manual_connection           = false
  }

  private_dns_zone_group {
    name                 = "default"
    private_dns_zone_ids = [var.dns_zone_id]
  }
}
