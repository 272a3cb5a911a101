namespace TinyLora.Conversation;

/// <summary>The families of chat templates that are rendered.</summary>
public enum ChatTemplateFamily : byte
{
    /// <summary><c>&lt;|im_start|&gt;role … &lt;|im_end|&gt;</c>: Qwen, SmolLM2, Hermes, Dolphin and many others.</summary>
    ChatML,

    /// <summary><c>[INST] &lt;&lt;SYS&gt;&gt; … &lt;&lt;/SYS&gt;&gt; … [/INST]</c>.</summary>
    Llama2,

    /// <summary><c>&lt;|start_header_id|&gt;role&lt;|end_header_id|&gt; … &lt;|eot_id|&gt;</c>: Llama 3 to 3.3.</summary>
    Llama3,

    /// <summary><c>[INST] … [/INST]</c> without a form for instructions of their own.</summary>
    Mistral,

    /// <summary><c>&lt;|user|&gt; … &lt;/s&gt;</c>: Zephyr, TinyLlama.</summary>
    Zephyr,
}
