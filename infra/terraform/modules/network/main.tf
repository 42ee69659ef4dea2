# The network: nothing but the gateway has a public address.

variable "place" {
  description = "Where it is made, and the tags that it bears."
  type = object({
    resource_group_name = string
    location            = string
    tags                = map(string)
  })
}

variable "name" {
  description = "The name of the virtual network."
  type        = string
}

variable "address_space" {
  description = "A /22 of the network's own; every subnet is cut from it."
  type        = string

  validation {
    condition     = can(cidrhost(var.address_space, 0)) && endswith(var.address_space, "/22")
    error_message = "The address space is a /22, such as 10.20.0.0/22."
  }
}

variable "database_zone" {
  description = "The private DNS zone of the database server."
  type        = string
}

locals {
  # 64 addresses each, but 128 for the gateway, whose scaling takes one an instance
  prefixes = {
    gateway   = cidrsubnet(var.address_space, 3, 0)
    apps      = cidrsubnet(var.address_space, 4, 2)
    endpoints = cidrsubnet(var.address_space, 4, 3)
    database  = cidrsubnet(var.address_space, 4, 4)
    agents    = cidrsubnet(var.address_space, 4, 5) # the pipelines' own: a private vault is reached from inside only
  }

  delegations = {
    apps = {
      service = "Microsoft.Web/serverFarms"
      actions = ["Microsoft.Network/virtualNetworks/subnets/action"]
    }
    database = {
      service = "Microsoft.DBforPostgreSQL/flexibleServers"
      actions = ["Microsoft.Network/virtualNetworks/subnets/join/action"]
    }
  }

  # The service that may reach a subnet, from where, at which port. Whatever is not named is denied.
  allowed = {
    gateway = [
      { name = "https", from = "Internet", port = "443" },
      { name = "gateway-manager", from = "GatewayManager", port = "65200-65535" },
      { name = "load-balancer", from = "AzureLoadBalancer", port = "*" },
    ]
    apps = []
    endpoints = [
      { name = "https-from-apps", from = local.prefixes.apps, port = "443" },
      { name = "https-from-gateway", from = local.prefixes.gateway, port = "443" },
      { name = "https-from-agents", from = local.prefixes.agents, port = "443" },
    ]
    database = [
      { name = "postgres-from-apps", from = local.prefixes.apps, port = "5432" },
      { name = "postgres-from-agents", from = local.prefixes.agents, port = "5432" },
      { name = "postgres-standby", from = local.prefixes.database, port = "5432" },
    ]
    agents = []
  }

  zones = {
    vault    = "privatelink.vaultcore.azure.net"
    blob     = "privatelink.blob.core.windows.net"
    queue    = "privatelink.queue.core.windows.net"
    table    = "privatelink.table.core.windows.net"
    registry = "privatelink.azurecr.io"
    sites    = "privatelink.azurewebsites.net"
    database = var.database_zone
  }
}

resource "azurerm_virtual_network" "this" {
  name                = var.name
  resource_group_name = var.place.resource_group_name
  location            = var.place.location
  address_space       = [var.address_space]
  tags                = var.place.tags
}

resource "azurerm_subnet" "this" {
  for_each = local.prefixes

  name                              = "snet-${each.key}"
  resource_group_name               = var.place.resource_group_name
  virtual_network_name              = azurerm_virtual_network.this.name
  address_prefixes                  = [each.value]
  private_endpoint_network_policies = "Enabled" # security groups apply to private endpoints too

  dynamic "delegation" {
    for_each = contains(keys(local.delegations), each.key) ? [local.delegations[each.key]] : []
    content {
      name = each.key

      service_delegation {
        name    = delegation.value.service
        actions = delegation.value.actions
      }
    }
  }
}

resource "azurerm_network_security_group" "this" {
  for_each = local.prefixes

  name                = "nsg-${var.name}-${each.key}"
  resource_group_name = var.place.resource_group_name
  location            = var.place.location
  tags                = var.place.tags

  dynamic "security_rule" {
    for_each = { for position, rule in local.allowed[each.key] : position => rule }
    content {
      name                       = "allow-${security_rule.value.name}"
      priority                   = 100 + 10 * security_rule.key
      direction                  = "Inbound"
      access                     = "Allow"
      protocol                   = security_rule.value.port == "*" ? "*" : "Tcp"
      source_address_prefix      = security_rule.value.from
      source_port_range          = "*"
      destination_address_prefix = "*"
      destination_port_range     = security_rule.value.port
    }
  }

  security_rule {
    name                       = "deny-all-else"
    priority                   = 4096
    direction                  = "Inbound"
    access                     = "Deny"
    protocol                   = "*"
    source_address_prefix      = "*"
    source_port_range          = "*"
    destination_address_prefix = "*"
    destination_port_range     = "*"
  }
}

resource "azurerm_subnet_network_security_group_association" "this" {
  for_each = local.prefixes

  subnet_id                 = azurerm_subnet.this[each.key].id
  network_security_group_id = azurerm_network_security_group.this[each.key].id
}

resource "azurerm_private_dns_zone" "this" {
  for_each = local.zones

  name                = each.value
  resource_group_name = var.place.resource_group_name
  tags                = var.place.tags
}

resource "azurerm_private_dns_zone_virtual_network_link" "this" {
  for_each = local.zones

  name                  = "link-${each.key}"
  resource_group_name   = var.place.resource_group_name
  private_dns_zone_name = azurerm_private_dns_zone.this[each.key].name
  virtual_network_id    = azurerm_virtual_network.this.id
  tags                  = var.place.tags
}

output "subnet_ids" {
  description = "The id of each subnet, by its purpose; there once its security group is on it."
  value       = { for name, subnet in azurerm_subnet.this : name => subnet.id }
  depends_on  = [azurerm_subnet_network_security_group_association.this]
}

output "dns_zone_ids" {
  description = "The id of each private DNS zone, by its service; there once it is linked to the network."
  value       = { for name, zone in azurerm_private_dns_zone.this : name => zone.id }
  depends_on  = [azurerm_private_dns_zone_virtual_network_link.this]
}
