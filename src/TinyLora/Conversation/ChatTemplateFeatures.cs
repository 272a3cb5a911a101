namespace TinyLora.Conversation;

/// <summary>Which family a template is of, by the marks that it writes; or the name to refuse it by, which is the template's own text where it is not known.</summary>
internal static class ChatTemplateFeatures
{
    // Looked for in this order: some of these templates also have a mark of a covered family.
    private static readonly (string Mark, string Name)[] Others =
    [
        ("Reasoning Mode: ", "SmolLM3"),
        ("function calling AI model", "Hermes function calling"),
        ("<|im_sep|>", "Phi-4"),
        ("<|im_user|>", "Kimi"),
        ("[gMASK]", "ChatGLM"),
        ("<start_of_turn>", "Gemma"),
        ("<|start_of_role|>", "Granite"),
        ("<|header_start|>", "Llama 4"),
        ("<|channel|>", "Harmony"),
        ("<｜User｜>", "DeepSeek"),
        ("<|START_OF_TURN_TOKEN|>", "Command R"),
        ("<|end|>", "Phi-3"),
        ("<|endofturn|>", "EXAONE"),
        ("<|prompt|>", "H2O Danube"),
        ("GPT4 Correct", "OpenChat"),
    ];

    private static readonly (string Mark, string Name)[] Unfamiliar =
    [
        ("### Instruction", "Alpaca"),
        ("### User", "SOLAR"),
        ("USER:", "Vicuna"),
        ("User: ", "DeepSeek LLM"),
    ];

    /// <summary>The family; null where it is none of them, with the name of what it is.</summary>
    public static ChatTemplateFamily? Recognize(string template, out string name)
    {
        foreach (var (mark, other) in Others)
        {
            if (!template.Contains(mark, StringComparison.Ordinal)) continue;
            name = other;
            return null;
        }
        ChatTemplateFamily? family = null;
        if (Has("<|im_start|>") && Has("<|im_end|>")) family = ChatTemplateFamily.ChatML;
        else if (Has("<|start_header_id|>") && Has("<|end_header_id|>")) family = ChatTemplateFamily.Llama3;
        else if (Has("<<SYS>>")) family = ChatTemplateFamily.Llama2;
        else if (Has("[INST]") && Has("[/INST]")) family = ChatTemplateFamily.Mistral;
        else if ((Has("<|user|>") && Has("<|assistant|>") || Has("'<|' +")) && (Has("eos_token") || Has("<|endoftext|>"))) family = ChatTemplateFamily.Zephyr;
        name = family?.ToString() ?? Guess(template);
        return family;

        bool Has(string mark) => template.Contains(mark, StringComparison.Ordinal);
    }

    private static string Guess(string template)
    {
        foreach (var (mark, name) in Unfamiliar)
        {
            if (template.Contains(mark, StringComparison.Ordinal)) return name;
        }
        return template;
    }
}
