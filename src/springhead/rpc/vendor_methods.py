"""All methods of the vendor's API by group (docs/wire/methods.md). The compatibility table and error 204 use them."""

from collections.abc import Mapping
from types import MappingProxyType

UPLOAD = "uploadFiles"
"""This is no method of the envelope. It has an address of its own, `POST /pubapi/<version>/uploadFiles`."""

VENDOR_METHODS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Leads": (
            "createLeads", "updateLeads", "updateLeadsV2", "deleteLeads", "getLead", "getLeads", "getLeadsDateRange",
            "getRelatedLeadsByEmail", "getLeadListMemberships", "getLeadTimeline", "subscribeToLeadUpdates", "logCalls",
        ),
        "Fields": ("getFields", "createFields", "updateFields", "deleteFields"),
        "Users": ("getUserProfiles",),
        "Accounts": (
            "createAccounts", "getAccount", "getAccounts", "getAccountsDateRange", "updateAccounts", "deleteAccounts",
        ),
        "Campaigns": (
            "createCampaigns", "getCampaign", "getCampaigns", "getCampaignsDateRange", "updateCampaigns",
            "deleteCampaigns",
        ),
        "Deal stages": (
            "createDealStages", "getDealStage", "getDealStages", "getDealStagesDateRange", "deleteDealStages",
        ),
        "Opportunities": (
            "createOpportunities", "getOpportunity", "getOpportunities", "getOpportunitiesDateRange",
            "updateOpportunities", "deleteOpportunities",
        ),
        "Links of opportunities and leads": (
            "createOpportunityLeads", "getOpportunityLead", "getOpportunityLeads", "getOpportunityLeadsDateRange",
            "deleteOpportunityLeads",
        ),
        "Lists": (
            "createList", "getActiveLists", "updateList", "deleteList", "getListTags", "getListMembers",
            "getRemovedListMembers",
        ),
        "List membership": (
            "addListMember", "addListMembers", "addListMemberEmailAddress", "addListMembersEmailAddress",
            "removeListMember", "removeListMembers", "removeListMemberEmailAddress", "removeListMembersEmailAddress",
            "removeListMembersAll", "getListMemberships", "getContactListMemberships",
        ),
        "Events": ("getEvents", "getEventsbyType"),
        "Notes": (
            "createNotes", "updateNotes", "deleteNotes", "getContactNotes", "getContactsNotes", "getAccountNotes",
            "getAccountsNotes", "getOpportunityNotes", "getOpportunitiesNotes",
        ),
        "Tasks": ("createTasks", "getTasks", "updateTasks", "deleteTasks"),
        "Products": ("createProduct", "createProducts", "getProducts", "updateProduct", "deleteProduct"),
        "Folders": ("createFolder", "createFolders", "getFolders", "updateFolder", "deleteFolder"),
        "Emails": ("createEmail", "getEmail", "getEmailListing", "updateEmail", "deleteEmail"),
        "Email jobs": (
            "getEmailJobs", "getEmailSendStatus", "getScheduleSends", "getScheduleSendStatus", "deleteScheduleSend",
            "getSendCount", "getEmailEvents", "getEmailSendEvents", "getEmailSend", "createSendMail",
        ),
        "Email variables": (
            "createEmailVariable", "createEmailVariables", "addEmailVariable", "setEmailVariable", "getEmailVariables",
            "deleteEmailVariable",
        ),
        "Unsubscribing": ("getUnsubscribeCategories",),
        "Agency": (
            "getClients", "createClient", "updateClient", "updateAccountSendLimit", "enableAccountSending",
            "disableAccountSending",
        ),
        "Files": (UPLOAD,),
    }
)  # fmt: skip
"""The methods that the vendor documents or that real clients call."""
