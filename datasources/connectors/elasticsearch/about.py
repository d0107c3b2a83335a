"""What is asked for to read an index that a company already has, in Elasticsearch or OpenSearch."""

from datasources.connectors.about import About, Auth, Setting

ABOUT = About(
    kind="elasticsearch",
    label="Elasticsearch or OpenSearch",
    icon="circle-stack",
    words="Documents of an index that you already have: you say which fields are title, text and link.",
    also="search",
    auths=(
        Auth(
            "api_key",
            "API key",
            steps=(
                "In Kibana, open Stack Management, then API keys, and choose Create API key.",
                "Under Control security privileges, give it the index privileges named below for your indices, and nothing else.",
                "Copy the encoded key and paste it here.",
            ),
            scopes=("read", "view_index_metadata"),
            fields=(
                Setting("key", "API key", secret=True, required=True, help="The encoded key, or its id:key form."),
            ),
        ),
        Auth(
            "password",
            "User and password",
            steps=(
                "Make a role with the index privileges named below for your indices (in OpenSearch: the action groups read and search, and indices:admin/resolve/index).",
                "Make a user of its own for Atrium with that role, and enter it here.",
            ),
            scopes=("read", "view_index_metadata"),
            fields=(
                Setting("username", "User", secret=True, required=True),
                Setting("password", "Password", secret=True, required=True),
            ),
        ),
        Auth("none", "No key", steps=("For a cluster that asks for no key, in your own network.",)),
    ),
    asks_address=True,
    address="Of the cluster, such as https://search.acme.com:9200.",
    settings=(
        Setting(
            "index",
            "Indices",
            required=True,
            initial="*",
            placeholder="handbook-*, tickets",
            help="Names or patterns of indices, aliases and data streams, with commas between.",
        ),
        Setting("title_field", "Field with the title", placeholder="title", offered=True),
        Setting(
            "text_fields",
            "Fields with text",
            kind="lines",
            placeholder="content",
            help="One a line, in the order in which they are read. Empty takes every field that holds text.",
            offered=True,
        ),
        Setting(
            "text_format",
            "The text is",
            kind="choice",
            initial="plain",
            choices=(("plain", "plain text"), ("markdown", "Markdown"), ("html", "HTML")),
        ),
        Setting("link_field", "Field with the link", placeholder="url", offered=True),
        Setting(
            "time_field",
            "Field with the time of the last change",
            placeholder="updated_at",
            help="With it, later syncs ask for what changed since. Without it, every sync reads all.",
            offered=True,
        ),
        Setting("created_field", "Field with the time of writing", placeholder="created_at", offered=True),
        Setting("tag_fields", "Fields with tags", kind="lines", placeholder="category", offered=True),
        Setting(
            "id_field",
            "Field with an id",
            help="Of type keyword, and different for each document. Empty takes the id of the index.",
            offered=True,
        ),
        Setting("query", "Only what this query finds", kind="json", placeholder='{"term": {"status": "published"}}'),
    ),
    options=(Setting("query", "Only what this query finds", kind="json", placeholder='{"term": {"lang": "en"}}'),),
)
